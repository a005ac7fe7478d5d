import { bulkhead, type IPolicy } from 'cockatiel';
import { LRUCache } from 'lru-cache';
import { type Limit, Pace } from './pace.ts';

/** Calls that all users together may make at once, or this part of the limit where it is small; more come by and by. */
const AT_ONCE = 40;
const MAX_AT_ONCE = 0.8;
/** Of those the part that is kept for users who have asked for little. */
const RESERVE = AT_ONCE / 2;
/** Calls that one user may make at once, and then in a minute. */
const USER_AT_ONCE = 40;
const USER_LIMIT = { calls: 2 * USER_AT_ONCE, inMs: 60_000 };
/** Calls under way of one user. */
const USER_PLACES = 20;
const MAX_USERS = 10_000;
/** After so long somebody may have their turn who has to leave places to others. */
export const YIELD_MS = 50;

/** What one user may ask of Clerk, whichever routes cause it. */
export class UserBudget {
  readonly places: IPolicy = bulkhead(USER_PLACES);
  readonly pace = new Pace(USER_LIMIT, 0.5);
  pausedUntil = Number.NEGATIVE_INFINITY;

  get spent(): number {
    return USER_AT_ONCE - this.pace.left;
  }
}

/**
 * What all requests together may ask of Clerk for one purpose: a share of its limit, of which each user has a small part. The more a user has
 * spent, the more places must be left for others: so a few users never take the last ones, however often they ask.
 */
export class CallBudget {
  readonly #pace: Pace;
  readonly #users = new LRUCache<string, UserBudget>({ max: MAX_USERS });
  /** What no user causes: it is paced where it is started. */
  readonly #nobody = new UserBudget();
  #pausedUntil = Number.NEGATIVE_INFINITY;

  constructor(share: Limit) {
    this.#pace = new Pace(share, Math.min(AT_ONCE / share.calls, MAX_AT_ONCE));
  }

  of(user: string | undefined): UserBudget {
    if (user === undefined) return this.#nobody;
    const known = this.#users.get(user) ?? new UserBudget();
    this.#users.set(user, known);
    return known;
  }

  /** 0 when the call may be made, which then counts; else how long until it is worth asking again. */
  takeOrWait(user: UserBudget): number {
    const pausedMs = Math.max(this.#pausedUntil, user.pausedUntil) - performance.now();
    if (pausedMs > 0) return pausedMs;
    const waitMs = user === this.#nobody ? this.#pace.waitMs : this.#waitMsOf(user);
    if (waitMs > 0) return waitMs;
    this.#pace.take();
    if (user !== this.#nobody) user.pace.take();
    return 0;
  }

  /** Obeys Clerk's 429: of one user, where what it speaks of may be one object of that user's tenant, else of all. */
  pause(ms: number, user?: UserBudget): void {
    const until = performance.now() + ms;
    if (user) user.pausedUntil = Math.max(user.pausedUntil, until);
    else this.#pausedUntil = Math.max(this.#pausedUntil, until);
  }

  #waitMsOf(user: UserBudget): number {
    const waitMs = Math.max(user.pace.waitMs, this.#pace.waitMs);
    const mayAsk = user.spent <= (this.#pace.left / RESERVE) * USER_AT_ONCE;
    return waitMs > 0 || mayAsk ? waitMs : YIELD_MS;
  }
}
