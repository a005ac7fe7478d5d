import { LRUCache } from 'lru-cache';

/** How old the cache's own clock may be: reading it anew costs a timer. */
const CLOCK_AGE_MS = 1000;
const MAX_AGE_MS = 5 * 60_000 - CLOCK_AGE_MS;

/**
 * Copies of rows in this process: at most `max` of them, none older than five minutes, one load at a time for a key.
 * A load that began before `forget` is neither stored nor joined after it: what it read may be from before the change.
 */
export class Remembered<V extends object> {
  readonly #values: LRUCache<string, V>;
  readonly #loads = new Map<string, Promise<V | undefined>>();
  readonly #load: (key: string) => Promise<V | undefined>;

  constructor(max: number, load: (key: string) => Promise<V | undefined>) {
    this.#values = new LRUCache({ max, ttl: MAX_AGE_MS, ttlResolution: CLOCK_AGE_MS });
    this.#load = load;
  }

  peek(key: string): V | undefined {
    return this.#values.get(key);
  }

  async get(key: string): Promise<V | undefined> {
    return this.#values.get(key) ?? this.#loads.get(key) ?? this.refresh(key);
  }

  /** Loads anew, whatever is remembered or under way. Nothing found is not remembered. */
  async refresh(key: string): Promise<V | undefined> {
    const load = this.#load(key);
    this.#loads.set(key, load);
    try {
      const value = await load;
      if (this.#loads.get(key) === load) this.#keep(key, value);
      return value;
    } finally {
      if (this.#loads.get(key) === load) this.#loads.delete(key);
    }
  }

  forget(key: string): void {
    this.#values.delete(key);
    this.#loads.delete(key);
  }

  forgetAll(): void {
    this.#values.clear();
    this.#loads.clear();
  }

  #keep(key: string, value: V | undefined): void {
    if (value) this.#values.set(key, value);
    else this.#values.delete(key);
  }
}
