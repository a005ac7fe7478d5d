import type { TransactionEventArgs } from '@mikro-orm/core';
import type { EntityManager } from '@mikro-orm/postgresql';
import { v7 as uuidv7 } from 'uuid';
import { scopeOf } from '../database/index.ts';
import type { Allowance } from './allowance.ts';
import type { JoinedUsage } from './joined-usage.service.ts';
import type { Payer } from './payer.ts';
import { confirmUsage, counterOf, giveBackUsage, releaseUsage, type Send, takeUsage } from './usage-counter.ts';
import { requireGranted, type UsageReading } from './usage-reading.ts';

/**
 * `held`: it is reserved; `confirming`: a transaction makes it final, of whose end we do not know; `final`: that committed;
 * `over`: so is the use case.
 */
type State = 'held' | 'confirming' | 'final' | 'over';

/** One of a meter that a use case consumes: reserved before it, made final with what it writes, given back where it fails. */
export class Consumption {
  readonly #one = { id: uuidv7(), amount: 1, key: null };
  #state: State = 'held';
  #transaction: unknown;

  constructor(
    private readonly payer: Payer,
    private readonly allowance: Allowance,
    private readonly send: Send,
  ) {}

  /** Throws `quota_exceeded`. */
  async reserve(joined: JoinedUsage): Promise<UsageReading> {
    return requireGranted(this.allowance, await joined.take(this.#counter, this.#one, { isHeld: true }), 1);
  }

  /** With the first transaction of the use case that has written, of the payer's, before it commits. */
  async confirmWith({ em, transaction }: TransactionEventArgs): Promise<void> {
    const own = em as EntityManager;
    if (this.#state !== 'held' || isSavepoint(transaction) || !this.#isPayers(own)) return;
    this.#state = 'confirming';
    this.#transaction = transaction;
    const send: Send = (sql, parameters) => own.getDriver().execute(sql, parameters, 'all', transaction);
    const confirmed = await confirmUsage(send, this.#reservation, { ifWritten: true });
    if (confirmed === 'nothing written') this.#state = 'held';
    if (confirmed === 'lapsed') await this.#takeAnew(send);
  }

  committed({ transaction }: TransactionEventArgs): void {
    if (this.#state === 'confirming' && transaction === this.#transaction) this.#state = 'final';
  }

  rolledBack({ transaction }: TransactionEventArgs): void {
    if (this.#state === 'confirming' && transaction === this.#transaction) this.#state = 'held';
  }

  /** The use case is done: what it consumed is final, whether it wrote or not. */
  async settle(): Promise<void> {
    const before = this.#end();
    if (before === 'final') return;
    const confirmed = await confirmUsage(this.send, this.#reservation, { ifWritten: false });
    // it has lapsed, and what was done is done: it counts, whatever is left
    if (confirmed === 'lapsed' && before === 'held')
      await takeUsage(this.send, { ...this.#counter, limit: null }, [this.#one]);
  }

  /** The use case failed. A commit that may yet be under way is waited for, and decides. */
  async undo(): Promise<void> {
    if (this.#end() === 'final') await giveBackUsage(this.send, this.#counter, 1, null);
    else await releaseUsage(this.send, this.payer, this.#one.id);
  }

  /** It has lapsed, and may be somebody else's by now: where nothing is left the transaction is undone. */
  async #takeAnew(send: Send): Promise<void> {
    const [taken] = await takeUsage(send, this.#counter, [this.#one]);
    requireGranted(this.allowance, taken, 1);
  }

  #end(): State {
    const before = this.#state;
    this.#state = 'over';
    return before;
  }

  get #reservation() {
    return { payer: this.payer, id: this.#one.id };
  }

  get #counter() {
    return counterOf(this.payer, this.allowance);
  }

  #isPayers(em: EntityManager): boolean {
    const { tenantId, userId } = scopeOf(em);
    return (tenantId ?? userId) === this.payer.id;
  }
}

/** What its release keeps, the transaction around it may yet undo. */
function isSavepoint(transaction: unknown): boolean {
  return 'savepointName' in (transaction as object);
}
