import { p } from '@mikro-orm/core';

/** What a copy of an object of Clerk's must know to ignore whatever is older. */
export const mirrored = {
  /** Clerk's time of what the row shows, in milliseconds; 0: known from claims alone. */
  clerkUpdatedAt: p.bigint('number').default(0),
  /** The event that told us; breaks the tie between equal times. */
  clerkEventId: p.text().default(''),
};
