/** What auth must know of a user; `users` provides it. */
export abstract class UserStates {
  /** Whether the user of that Clerk id is banned, deprovisioned or deleted. From memory where it is known. */
  abstract isRefused(clerkUserId: string): boolean | Promise<boolean>;
}
