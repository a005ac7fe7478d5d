import { EntityManager } from '@mikro-orm/postgresql';
import { Inject, Injectable, Logger, type OnApplicationShutdown } from '@nestjs/common';
import { Client } from 'pg';
import { SETTINGS, type Settings } from '../config/index.ts';
import { ChangePosition, type ChangeRow } from './change-position.ts';

const POLL_MS = 500;
const READ_TIMEOUT_MS = 1500;
/** A process is current while its last successful read began less than this ago. */
const CURRENT_MS = 2000;

type Change = { topic: string; key: string };
type Forget = { one: (key: string) => void; all: () => void };

/**
 * What others must forget travels by rows of `changes`, written in the transaction that changes something remembered
 * elsewhere and read by every process: delivered if and only if it committed, through any connection pooler.
 */
@Injectable()
export class ChangeLog implements OnApplicationShutdown {
  readonly #logger = new Logger(ChangeLog.name);
  readonly #listeners = new Map<string, Forget[]>();
  readonly #settings: Settings;
  readonly #position = new ChangePosition();
  readonly #uncommitted = new WeakMap<object, Change[]>();
  #client: Client | undefined;
  #timer: NodeJS.Timeout | undefined;
  #stopped = false;
  #failing = false;
  #lastReadAt = 0;

  constructor(em: EntityManager, @Inject(SETTINGS) settings: Settings) {
    this.#settings = settings;
    em.getEventManager().registerSubscriber({
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

  /** Calls `one` for each change of the topic that committed anywhere, and `all` when changes may have been missed. */
  listen(topic: string, forget: Forget): void {
    this.#listeners.set(topic, [...(this.#listeners.get(topic) ?? []), forget]);
  }

  /**
   * Announces a change: the last statement of the transaction that makes it. This process forgets its own copies with the
   * commit, the others within half a second.
   */
  async record(em: EntityManager, topic: string, key: string): Promise<void> {
    const transaction: object | undefined = em.getTransactionContext();
    if (!transaction) throw new Error('A change is announced in the transaction that makes it');
    this.#uncommitted.set(transaction, [...(this.#uncommitted.get(transaction) ?? []), { topic, key }]);
    await em.execute('insert into changes (topic, key) values (?, ?)', [topic, key]);
  }

  /** Notes where the log stands, then follows it. Resolves after the first read; throws when there was none. */
  async start(): Promise<void> {
    await this.#read();
    this.#schedule();
  }

  async onApplicationShutdown(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#timer);
    await this.#disconnect();
  }

  #schedule(): void {
    clearTimeout(this.#timer);
    if (this.#stopped) return;
    this.#timer = setTimeout(() => void this.#poll(), POLL_MS).unref();
  }

  async #poll(): Promise<void> {
    try {
      await this.#read();
      if (this.#failing) this.#logger.log('following the change log again');
      this.#failing = false;
    } catch (error) {
      if (!this.#failing) this.#logger.warn(`cannot read the change log: ${(error as Error).message}`);
      this.#failing = true;
      await this.#disconnect();
    } finally {
      this.#schedule();
    }
  }

  async #read(): Promise<void> {
    const began = performance.now();
    const client = await this.#connect();
    for (;;) {
      const { rows } = await client.query<ChangeRow>(...this.#position.query());
      const { changes, more, missed } = this.#position.advance(rows, performance.now());
      if (missed) this.#forgetAll();
      else changes.forEach((change) => this.#forgetOne(change));
      if (!more) break;
    }
    this.#lastReadAt = began;
  }

  #forgetOwn(transaction: object): void {
    this.#uncommitted.get(transaction)?.forEach((change) => this.#forgetOne(change));
  }

  #forgetOne({ topic, key }: Change): void {
    this.#listeners.get(topic)?.forEach((forget) => forget.one(key));
  }

  #forgetAll(): void {
    for (const forget of [...this.#listeners.values()].flat()) forget.all();
  }

  /** A connection of its own, so that a busy pool never makes the log stale. */
  async #connect(): Promise<Client> {
    if (this.#client) return this.#client;
    const client = new Client({
      connectionString: this.#settings.databaseUrl,
      connectionTimeoutMillis: READ_TIMEOUT_MS,
      query_timeout: READ_TIMEOUT_MS,
    });
    client.on('error', () => {
      if (this.#client === client) this.#client = undefined;
    });
    await client.connect();
    this.#client = client;
    if (this.#stopped) await this.#disconnect();
    return client;
  }

  async #disconnect(): Promise<void> {
    const client = this.#client;
    this.#client = undefined;
    // the connection is lost or given up: nothing depends on how it ends
    await client?.end().catch(() => undefined);
  }
}
