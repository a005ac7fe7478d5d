import { LRUCache } from 'lru-cache';
import type { Claims } from './claims.ts';

const MAX_TOKENS = 10_000;
const MAX_TOKENS_PER_SESSION = 16;

/** What Keyv keeps: the value and when it ends, in milliseconds since 1970. */
interface Entry {
  value: Claims;
  expires?: number;
}

/** A store for Keyv, whose own is unbounded: least recently used first, and no session can push the others out. */
export class VerifiedTokenStore {
  readonly #sessions = new Map<string, Set<string>>();
  readonly #entries = new LRUCache<string, Entry>({
    max: MAX_TOKENS,
    dispose: (entry, key) => this.#unlink(entry.value.sid, key),
    noDisposeOnSet: true,
  });

  get size(): number {
    return this.#entries.size;
  }

  get(key: string): Entry | undefined {
    return this.#entries.get(key);
  }

  set(key: string, entry: Entry): this {
    const { sid } = entry.value;
    const keys = this.#sessions.get(sid) ?? new Set();
    this.#sessions.set(sid, keys.add(key));
    this.#entries.set(key, entry);
    const [oldest] = keys;
    if (keys.size > MAX_TOKENS_PER_SESSION && oldest) this.#entries.delete(oldest);
    return this;
  }

  delete(key: string): boolean {
    return this.#entries.delete(key);
  }

  clear(): void {
    this.#entries.clear();
  }

  #unlink(sid: string, key: string): void {
    const keys = this.#sessions.get(sid);
    keys?.delete(key);
    if (keys?.size === 0) this.#sessions.delete(sid);
  }
}
