import { EntityManager } from '@mikro-orm/postgresql';
import { Injectable } from '@nestjs/common';
import { v7 as uuidv7 } from 'uuid';
import type { Allowance } from './allowance.ts';
import { Entitlements } from './entitlements.service.ts';
import { JoinedUsage } from './joined-usage.service.ts';
import type { Payer } from './payer.ts';
import {
  type Asked,
  type Counter,
  counterOf,
  giveBackUsage,
  readUsage,
  type Send,
  type Taken,
  takeUsage,
} from './usage-counter.ts';
import { requireCountable, type UsageOptions } from './usage-input.ts';
import { readingOf, requireGranted, type UsageReading } from './usage-reading.ts';

/**
 * Counts what payers use, exactly, however many do at once. Inside a transaction it is part of that, and undone with it, and
 * whoever else counts for that payer and meter waits for its end; outside it is final when it is answered.
 */
@Injectable()
export class Usage {
  constructor(
    private readonly em: EntityManager,
    private readonly entitlements: Entitlements,
    private readonly joined: JoinedUsage,
  ) {}

  /**
   * Throws `quota_exceeded`, and counts nothing, where the limit is hard; `idempotency_key_reused` where another amount was
   * counted under the key; and for a meter that there is not.
   */
  async consume(payer: Payer, meter: string, amount: number, options: UsageOptions = {}): Promise<UsageReading> {
    requireCountable(amount, options);
    const allowance = await this.entitlements.allowanceOf(payer, meter);
    const asked = { id: uuidv7(), amount, key: options.idempotencyKey ?? null };
    return requireGranted(allowance, await this.#take(counterOf(payer, allowance), asked), amount);
  }

  /**
   * Takes back what was counted, in the period that runs, and never below nothing. With the key of what was consumed under it
   * that is undone, in its own period: no more of it than was counted, and once.
   */
  async giveBack(payer: Payer, meter: string, amount: number, options: UsageOptions = {}): Promise<UsageReading> {
    requireCountable(amount, options);
    const allowance = await this.entitlements.allowanceOf(payer, meter);
    await giveBackUsage(this.#send, counterOf(payer, allowance), amount, options.idempotencyKey ?? null);
    return this.#read(payer, allowance);
  }

  async used(payer: Payer, meter: string): Promise<UsageReading> {
    return this.#read(payer, await this.entitlements.allowanceOf(payer, meter));
  }

  /** Of every meter. */
  async all(payer: Payer): Promise<UsageReading[]> {
    const readings: UsageReading[] = [];
    for (const meter of this.entitlements.meters) readings.push(await this.used(payer, meter));
    return readings;
  }

  /** In a transaction the question comes first: two who count and ask in another order would wait for each other. */
  async #take(counter: Counter, asked: Asked): Promise<Taken | undefined> {
    if (this.em.isInTransaction()) {
      await this.entitlements.askAbout(counter.payer);
      const [taken] = await takeUsage(this.#send, counter, [asked]);
      return taken;
    }
    return this.joined.take(counter, asked);
  }

  async #read(payer: Payer, allowance: Allowance): Promise<UsageReading> {
    return readingOf(allowance, await readUsage(this.#send, counterOf(payer, allowance)));
  }

  /** In the transaction that is open, if there is one. */
  readonly #send: Send = (sql, parameters) =>
    this.em.isInTransaction() ? this.em.execute(sql, parameters) : this.em.getDriver().execute(sql, parameters);
}
