import { LRUCache } from 'lru-cache';
import { Problem, type ProblemCode } from '../http/index.ts';

const MAX_REFUSALS = 1000;
const TTL_MS = 10_000;

/**
 * What was refused for good, by the SHA-256 of the token: remembered for seconds, so that repeating it is cheap and a flood
 * of it stores little.
 */
export class Refusals {
  readonly #codes = new LRUCache<string, ProblemCode>({ max: MAX_REFUSALS, ttl: TTL_MS });

  /** Throws what the token was refused with. */
  check(key: string): void {
    const code = this.#codes.get(key);
    if (code) throw new Problem(code);
  }

  add(key: string, code: ProblemCode): void {
    this.#codes.set(key, code);
  }
}
