import { LRUCache } from 'lru-cache';
import { type Problem, rateLimited } from './problem.ts';

const WINDOW_MS = 60_000;
const MAX_ADDRESSES = 10_000;

/**
 * How often an address failed in the minute since its first failure. rate-limiter-flexible keeps as many addresses as there
 * are; this a bounded number.
 */
export class Failures {
  readonly #max: number;
  readonly #counts = new LRUCache<string, number>({ max: MAX_ADDRESSES, ttl: WINDOW_MS, noUpdateTTL: true });

  constructor(max: number) {
    this.#max = max;
  }

  /** `rate_limited` for an address that failed as often as it may. */
  refusalOf(address: string): Problem | undefined {
    return this.#countOf(address) >= this.#max ? rateLimited(WINDOW_MS) : undefined;
  }

  add(address: string): void {
    this.#counts.set(address, this.#countOf(address) + 1);
  }

  #countOf(address: string): number {
    return this.#counts.get(address) ?? 0;
  }
}
