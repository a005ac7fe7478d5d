import type { IBackoff, IBackoffFactory } from 'cockatiel';

/**
 * How long a breaker stays open, by the clock that nobody sets: cockatiel measures it by the other one, and would stay open for
 * hours when that is set back.
 */
export function restFor(ms: number): IBackoffFactory<unknown> {
  return { next: () => restUntil(performance.now() + ms, ms) };
}

function restUntil(end: number, ms: number): IBackoff<unknown> {
  return {
    get duration() {
      return performance.now() < end ? Number.POSITIVE_INFINITY : Number.NEGATIVE_INFINITY;
    },
    next: () => restUntil(performance.now() + ms, ms),
  };
}
