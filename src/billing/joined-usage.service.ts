import { setImmediate as nextTurn } from 'node:timers/promises';
import { EntityManager } from '@mikro-orm/postgresql';
import { Injectable, Logger } from '@nestjs/common';
import { safeMessage } from '../database/index.ts';
import { Entitlements } from './entitlements.service.ts';
import { type Asked, type Counter, type Taken, takeUsage } from './usage-counter.ts';

/** What one statement counts, which holds the row of the counter meanwhile. */
const MAX_JOINED = 500;

interface Waiting {
  readonly asked: Asked;
  readonly resolve: (taken: Taken) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Counts outside the transactions of use cases, final when it is answered. Who waits in this process while a statement for
 * the same counter is under way is joined into the next one: a payer with many at once costs no more than one.
 */
@Injectable()
export class JoinedUsage {
  readonly #logger = new Logger(JoinedUsage.name);
  readonly #lines = new Map<string, Waiting[]>();

  constructor(
    private readonly em: EntityManager,
    private readonly entitlements: Entitlements,
  ) {}

  /** Counts, and then has the provider asked about a payer of whom it never told: what is counted stands, whatever becomes of that. */
  async take(counter: Counter, asked: Asked, { isHeld } = { isHeld: false }): Promise<Taken> {
    const taken = await this.#join(counter, asked, isHeld);
    await this.entitlements.askAbout(counter.payer).catch((error: Error) => {
      // a transaction that is open is lost with it
      if (this.em.isInTransaction()) throw error;
      this.#logger.warn(`cannot have the provider asked: ${safeMessage(error)}`);
    });
    return taken;
  }

  async #join(counter: Counter, asked: Asked, isHeld: boolean): Promise<Taken> {
    const { payer, meter, periodStart, limit } = counter;
    const key = JSON.stringify([payer.id, meter, periodStart.getTime(), limit, isHeld]);
    return new Promise((resolve, reject) => {
      const line = this.#lines.get(key);
      const waiting = { asked, resolve, reject };
      if (line) line.push(waiting);
      else void this.#serve(key, [waiting], (all) => this.#take(counter, all, { isHeld }));
    });
  }

  async #serve(key: string, line: Waiting[], take: (asked: Asked[]) => Promise<Taken[]>): Promise<void> {
    this.#lines.set(key, line);
    while (line.length > 0) {
      const joined = line.splice(0, MAX_JOINED);
      try {
        const taken = await take(joined.map(({ asked }) => asked));
        joined.forEach(({ resolve }, place) => resolve(taken[place] as Taken));
      } catch (error) {
        for (const { reject } of joined) reject(error);
      }
      // those who were answered may ask again, and are joined too
      await nextTurn();
    }
    this.#lines.delete(key);
  }

  async #take(counter: Counter, asked: Asked[], how: { isHeld: boolean }): Promise<Taken[]> {
    return takeUsage((sql, parameters) => this.em.getDriver().execute(sql, parameters), counter, asked, how);
  }
}
