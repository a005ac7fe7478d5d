import { LRUCache } from 'lru-cache';

const WINDOW_MS = 60_000;
const MAX_ADDRESSES = 10_000;

/** How often an address failed in the minute since its first failure. rate-limiter-flexible keeps as many as there are; this a bounded number. */
export class Failures {
  static readonly WINDOW_MS = WINDOW_MS;
  readonly #counts = new LRUCache<string, number>({ max: MAX_ADDRESSES, ttl: WINDOW_MS, noUpdateTTL: true });

  of(address: string): number {
    return this.#counts.get(address) ?? 0;
  }

  /** How many there are with this one. */
  add(address: string): number {
    const count = this.of(address) + 1;
    this.#counts.set(address, count);
    return count;
  }
}
