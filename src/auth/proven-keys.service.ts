import { EntityManager } from '@mikro-orm/postgresql';
import { type BeforeApplicationShutdown, Injectable, Logger } from '@nestjs/common';
import { LRUCache } from 'lru-cache';
import { DatabaseStartup, Pruning } from '../database/index.ts';

const MAX_KEYS = 100_000;
const KEPT_DAYS = 14;
/** A row is written anew once a day, so that a key in use is never pruned. */
const RENEW_MS = 86_400_000;
const SYNC_MS = 10_000;
/** What another process wrote may commit this long after its time. */
const OVERLAP_S = 60;

/**
 * The machine tokens that Clerk called good when it was last asked, by their SHA-256: who brings one is no newcomer, after a
 * restart or at another process either. The table is read and written by a timer, never by a request, and only Clerk's
 * answer makes a row, so that strangers can cause neither.
 */
@Injectable()
export class ProvenKeys implements BeforeApplicationShutdown {
  readonly #logger = new Logger(ProvenKeys.name);
  /** With the time at which its row was written or read, by the clock that nobody sets. */
  readonly #keys = new LRUCache<string, number>({ max: MAX_KEYS });
  readonly #unsaved = new Set<string>();
  #readAt: number | undefined;
  #syncing = Promise.resolve();
  #timer: NodeJS.Timeout | undefined;

  constructor(
    private readonly em: EntityManager,
    startup: DatabaseStartup,
    pruning: Pruning,
  ) {
    pruning.forget('known_keys', FORGOTTEN);
    startup.beforeReady(() => this.#start());
  }

  has(key: string): boolean {
    return this.#keys.has(key);
  }

  add(key: string): void {
    const savedAt = this.#keys.get(key);
    if (savedAt !== undefined && performance.now() - savedAt < RENEW_MS) return;
    this.#keys.set(key, performance.now());
    if (this.#unsaved.size < MAX_KEYS) this.#unsaved.add(key);
  }

  /** Refused now. Its row stays until it is pruned: who brings it asks Clerk once for each start of a process. */
  delete(key: string): void {
    this.#keys.delete(key);
    this.#unsaved.delete(key);
  }

  /** What is new is stored while the database is still open. */
  async beforeApplicationShutdown(): Promise<void> {
    clearInterval(this.#timer);
    await this.#syncing;
    await this.#trySync();
  }

  async #start(): Promise<void> {
    await this.#read();
    this.#timer ??= setInterval(() => {
      this.#syncing = this.#trySync();
    }, SYNC_MS).unref();
  }

  async #trySync(): Promise<void> {
    try {
      await this.#write();
      await this.#read();
    } catch (error) {
      this.#logger.warn(`Cannot store or read the known keys; it is tried again: ${(error as Error).message}`);
    }
  }

  /** In one order, so that two processes with the same keys do not lock each other out. */
  async #write(): Promise<void> {
    const hashes = [...this.#unsaved].toSorted();
    if (hashes.length === 0) return;
    await this.em.fork().execute(SAVE, [JSON.stringify(hashes)]);
    for (const hash of hashes) this.#unsaved.delete(hash);
  }

  async #read(): Promise<void> {
    const now = performance.now();
    const seconds = this.#readAt === undefined ? KEPT_DAYS * 86_400 : (now - this.#readAt) / 1000 + OVERLAP_S;
    const rows = await this.em.fork().execute<{ hash: string }[]>(READ, [seconds]);
    for (const { hash } of rows.toReversed()) if (!this.#keys.has(hash)) this.#keys.set(hash, now);
    this.#readAt = now;
  }
}

const SAVE = `
insert into known_keys (hash, proven_at) select value, now() from jsonb_array_elements_text(?::jsonb)
on conflict (hash) do update set proven_at = excluded.proven_at`;

const READ = `
select hash from known_keys where proven_at > now() - make_interval(secs => ?)
order by proven_at desc limit ${MAX_KEYS}`;

/** Those that are old, or too many. */
const FORGOTTEN = `proven_at < now() - interval '${KEPT_DAYS} days'
or proven_at < (select proven_at from known_keys order by proven_at desc offset ${MAX_KEYS - 1} limit 1)`;
