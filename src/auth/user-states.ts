import type { ClaimedUser } from './principal.ts';

/** What auth must know of a user; `users` provides it. */
export abstract class UserStates {
  /**
   * Whether this user is banned, deprovisioned or deleted: from memory where it is known. A user without a row gets one, so
   * that every route that is passed has met its caller.
   */
  abstract isRefused(user: ClaimedUser): boolean | Promise<boolean>;
}
