import { setTimeout as sleep } from 'node:timers/promises';

export interface Limit {
  calls: number;
  inMs: number;
}

/** The part of a limit that may be used at once; the rest comes by and by, so that no window has more than the limit. */
const AT_ONCE = 0.2;

/** Clerk's limits count in windows of this length. */
export const LIMIT_WINDOW_MS = 10_000;

/**
 * The shares of Clerk's limit: half for requests, a fifth for the profiles of new users, a fifth for tokens of machines, of which a
 * half for those that nobody knows yet, and a tenth for subscriptions in doubt. Whoever reads everything takes a half, in a process of its own.
 */
export const halfOfLimit = (secretKey: string): Limit => partOfLimit(secretKey, 0.5);
export const fifthOfLimit = (secretKey: string): Limit => partOfLimit(secretKey, 0.2);
export const tenthOfLimit = (secretKey: string): Limit => partOfLimit(secretKey, 0.1);

/** Of Clerk's limit for a key: that is 1000 calls in a window for a production instance, 100 for others. */
function partOfLimit(secretKey: string, part: number): Limit {
  return { calls: (secretKey.startsWith('sk_live_') ? 1000 : 100) * part, inMs: LIMIT_WINDOW_MS };
}

/** Lets calls through one after the other, in no window of that length more than that many. */
export class Pace {
  readonly #intervalMs: number;
  readonly #headStartMs: number;
  #next = Number.NEGATIVE_INFINITY;

  constructor({ calls, inMs }: Limit, atOnce = AT_ONCE) {
    this.#intervalMs = inMs / (calls * (1 - atOnce));
    this.#headStartMs = (calls * atOnce - 1) * this.#intervalMs;
  }

  /** Resolves when it is the caller's turn; rejects when the signal is aborted before. */
  async turn(signal?: AbortSignal): Promise<void> {
    const waitMs = this.waitMs;
    this.take();
    if (waitMs > 0) await sleep(waitMs, undefined, { signal });
  }

  /** 0 when it is the caller's turn; else how long until there is one, which is not kept for it. */
  takeOrWait(): number {
    const { waitMs } = this;
    if (waitMs === 0) this.take();
    return waitMs;
  }

  /** How long until the next call may be made. */
  get waitMs(): number {
    return Math.max(this.#next - performance.now(), 0);
  }

  /** How many calls may be made now. */
  get left(): number {
    const places = (performance.now() - this.#earliest) / this.#intervalMs + 1;
    return Math.max(Math.floor(places), 0);
  }

  take(): void {
    this.#next = this.#earliest + this.#intervalMs;
  }

  get #earliest(): number {
    return Math.max(this.#next, performance.now() - this.#headStartMs);
  }
}
