import type { TransactionEventArgs } from '@mikro-orm/core';
import { EntityManager } from '@mikro-orm/postgresql';
import { Inject, Injectable, Logger, type OnApplicationShutdown } from '@nestjs/common';
import { SETTINGS, type Settings } from '../config/index.ts';
import { ChangeReader } from './change-reader.ts';
import { Pruning } from './pruning.service.ts';
import { safeMessage } from './row-values.ts';
import { WAKE_UPS, WakeUps } from './wake-ups.ts';

const POLL_MS = 500;
/** A process is current while its last successful read began less than this ago. */
const CURRENT_MS = 2000;
/** Rows are kept for an hour: who read none for so long may have missed some. */
const MISSED_MS = 30 * 60_000;
/** With neither change log nor tables to read, what is remembered serves this long. */
const MAX_SILENCE_MS = 10_000;

interface Change {
  topic: string;
  key: string;
  urgent: boolean;
}
type Forget = { one: (key: string) => void; all: () => void };

/**
 * What others must forget travels by rows of `changes`, written in the transaction that changes something remembered
 * elsewhere and read by every process: delivered if and only if it committed, through any connection pooler.
 */
@Injectable()
export class ChangeLog implements OnApplicationShutdown {
  readonly #logger = new Logger(ChangeLog.name);
  readonly #listeners = new Map<string, Forget[]>();
  readonly #uncommitted = new WeakMap<object, Change[]>();
  readonly #reader: ChangeReader;
  readonly #wakeUps: WakeUps;
  #timer: NodeJS.Timeout | undefined;
  #reading = false;
  #readAgain = false;
  #stopped = false;
  #failing = false;
  #lastReadAt = 0;

  constructor(em: EntityManager, pruning: Pruning, @Inject(SETTINGS) settings: Settings) {
    this.#reader = new ChangeReader(settings.databaseUrl);
    this.#wakeUps = new WakeUps(settings.databaseListenUrl, () => this.#wake());
    pruning.forget('changes', "at < now() - interval '1 hour'");
    em.getEventManager().registerSubscriber({
      beforeTransactionCommit: (args) => this.#announce(args),
      afterTransactionCommit: ({ transaction }) => this.#forgetOwn(transaction as object),
    });
  }

  /** Milliseconds since the last successful read began; Infinity before the first. */
  get silentForMs(): number {
    return this.#lastReadAt === 0 ? Number.POSITIVE_INFINITY : performance.now() - this.#lastReadAt;
  }

  /** While false, what is remembered must be checked against the tables. */
  get isCurrent(): boolean {
    return this.silentForMs < CURRENT_MS;
  }

  /** While false, and the tables cannot be read either, nothing that is remembered may serve. */
  get isRecent(): boolean {
    return this.silentForMs < MAX_SILENCE_MS;
  }

  /** Calls `one` for each change of the topic that committed anywhere, and `all` when changes may have been missed. */
  listen(topic: string, forget: Forget): void {
    this.#listeners.set(topic, [...(this.#listeners.get(topic) ?? []), forget]);
  }

  /**
   * Announces a change with the commit of the transaction that makes it. This process forgets its own copies then, the
   * others within half a second, or at once when it is urgent: that costs the server a lock at the commit.
   */
  record(em: EntityManager, topic: string, key: string, { urgent } = { urgent: false }): void {
    const transaction: object | undefined = em.getTransactionContext();
    if (!transaction) throw new Error('A change is announced in the transaction that makes it');
    this.#uncommitted.set(transaction, [...(this.#uncommitted.get(transaction) ?? []), { topic, key, urgent }]);
  }

  /** Notes where the log stands, then follows it. Resolves after the first read; throws when there was none. */
  async start(): Promise<void> {
    await this.#read();
    this.#schedule();
    if (!this.#stopped) this.#wakeUps.start();
  }

  async onApplicationShutdown(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#timer);
    await Promise.all([this.#wakeUps.stop(), this.#reader.stop()]);
  }

  /** The last statement before the commit: the shorter an id is taken and not seen, the fewer gaps readers follow. */
  async #announce({ em, transaction }: TransactionEventArgs): Promise<void> {
    const changes = this.#uncommitted.get(transaction as object);
    if (!changes) return;
    const rows = changes.map(() => '(?, ?)').join(', ');
    const notify = changes.some(({ urgent }) => urgent) ? `select pg_notify('${WAKE_UPS}', '')` : 'select';
    const sql = `with announced as (insert into changes (topic, key) values ${rows}) ${notify}`;
    const parameters = changes.flatMap(({ topic, key }) => [topic, key]);
    await (em as EntityManager).getConnection().execute(sql, parameters, 'run', transaction);
  }

  #schedule(): void {
    clearTimeout(this.#timer);
    if (this.#stopped) return;
    this.#timer = setTimeout(() => void this.#poll(), this.#readAgain ? 0 : POLL_MS).unref();
  }

  /** A row that commits while a read is under way may not be in it. */
  #wake(): void {
    this.#readAgain = true;
    if (!this.#reading) this.#schedule();
  }

  async #poll(): Promise<void> {
    try {
      await this.#read();
      if (this.#failing) this.#logger.log('following the change log again');
      this.#failing = false;
    } catch (error) {
      // a read that the end of this process cuts off is no outage
      if (!this.#failing && !this.#stopped) this.#logger.warn(`cannot read the change log: ${safeMessage(error)}`);
      this.#failing = true;
    } finally {
      this.#schedule();
    }
  }

  async #read(): Promise<void> {
    const began = performance.now();
    const wasAway = this.#lastReadAt > 0 && this.silentForMs > MISSED_MS;
    this.#readAgain = false;
    this.#reading = true;
    try {
      await this.#reader.read((changes, missed) => {
        if (missed) this.#forgetAll();
        else changes.forEach((change) => this.#forgetOne(change));
      });
      if (wasAway) this.#forgetAll();
      this.#lastReadAt = began;
    } finally {
      this.#reading = false;
    }
  }

  #forgetOwn(transaction: object): void {
    this.#uncommitted.get(transaction)?.forEach((change) => this.#forgetOne(change));
  }

  #forgetOne({ topic, key }: { topic: string; key: string }): void {
    this.#listeners.get(topic)?.forEach((forget) => forget.one(key));
  }

  #forgetAll(): void {
    for (const forget of [...this.#listeners.values()].flat()) forget.all();
  }
}
