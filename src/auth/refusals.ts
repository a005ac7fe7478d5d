import { LRUCache } from 'lru-cache';
import { problemOf, type Refusal } from './verdict.ts';

const MAX_REFUSALS = 1000;
const TTL_MS = 10_000;

/**
 * What was refused for good, by the SHA-256 of the token: remembered for seconds, so that repeating it is cheap and a flood
 * of it stores little.
 */
export class Refusals {
  readonly #refusals = new LRUCache<string, Refusal>({ max: MAX_REFUSALS, ttl: TTL_MS });

  /** Throws what the token was refused with. */
  check(key: string): void {
    const refusal = this.#refusals.get(key);
    if (refusal) throw problemOf(refusal);
  }

  add(key: string, refusal: Refusal): void {
    this.#refusals.set(key, refusal);
  }
}
