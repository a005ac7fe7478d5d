import { AsyncLocalStorage } from 'node:async_hooks';
import { EntityManager } from '@mikro-orm/postgresql';
import { Injectable, Logger } from '@nestjs/common';
import { safeMessage } from '../database/index.ts';
import { Consumption } from './consumption.ts';
import { Entitlements } from './entitlements.service.ts';
import { JoinedUsage } from './joined-usage.service.ts';
import type { Payer } from './payer.ts';
import type { Send } from './usage-counter.ts';
import type { UsageReading } from './usage-reading.ts';

interface Done<T> {
  readonly result: T;
  readonly reading: UsageReading;
}

/** Use cases that consume: each makes its reservation final with what it writes, and gives it back where it fails. */
@Injectable()
export class Consumptions {
  readonly #logger = new Logger(Consumptions.name);
  readonly #running = new AsyncLocalStorage<Consumption>();

  constructor(
    private readonly em: EntityManager,
    private readonly entitlements: Entitlements,
    private readonly joined: JoinedUsage,
  ) {
    em.getEventManager().registerSubscriber({
      beforeTransactionCommit: async (args) => this.#running.getStore()?.confirmWith(args),
      afterTransactionCommit: (args) => this.#running.getStore()?.committed(args),
      afterTransactionRollback: (args) => this.#running.getStore()?.rolledBack(args),
    });
  }

  /** Does the work where one of the meter is left for the payer; else throws `quota_exceeded`. */
  async during<T>(payer: Payer, meter: string, work: () => Promise<T>): Promise<Done<T>> {
    const allowance = await this.entitlements.allowanceOf(payer, meter);
    const consumption = new Consumption(payer, allowance, this.#send);
    const reading = await consumption.reserve(this.joined);
    const result = await this.#running.run(consumption, work).catch(async (error: unknown) => {
      await this.#undo(consumption);
      throw error;
    });
    await consumption.settle();
    return { result, reading };
  }

  /** What cannot be given back lapses, so that why the work failed is told and not this. */
  async #undo(consumption: Consumption): Promise<void> {
    await consumption.undo().catch((error: Error) => this.#logger.warn(`cannot give back: ${safeMessage(error)}`));
  }

  /** Alone, whatever transaction may be open. */
  readonly #send: Send = (sql, parameters) => this.em.getDriver().execute(sql, parameters);
}
