import { LRUCache } from 'lru-cache';
import { networkOf } from './network.ts';
import { type Problem, rateLimited } from './problem.ts';

const WINDOW_MS = 60_000;
const MAX_NETWORKS = 10_000;

/**
 * How often the network of an address failed in the minute since its first failure. rate-limiter-flexible keeps as many
 * networks as there are; this a bounded number.
 */
export class Failures {
  readonly #max: number;
  readonly #counts = new LRUCache<string, number>({ max: MAX_NETWORKS, ttl: WINDOW_MS, noUpdateTTL: true });

  constructor(max: number) {
    this.#max = max;
  }

  /** `rate_limited` for an address whose network failed as often as it may. */
  refusalOf(address: string): Problem | undefined {
    return this.#countOf(networkOf(address)) >= this.#max ? rateLimited(WINDOW_MS) : undefined;
  }

  add(address: string): void {
    const network = networkOf(address);
    this.#counts.set(network, this.#countOf(network) + 1);
  }

  #countOf(network: string): number {
    return this.#counts.get(network) ?? 0;
  }
}
