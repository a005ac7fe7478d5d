import type { Claims } from '../auth/index.ts';
import type { ClerkUser } from '../clerk/index.ts';

const MAX_TEXT = 1000;

/** What Clerk says of a user, in our words: the input of `mirror`. */
export interface UserFacts {
  clerkId: string;
  externalId: string | null;
  email: string | null;
  name: string | null;
  imageUrl: string | null;
  banned: boolean;
  locked: boolean;
  deprovisioned: boolean;
  /** Clerk's time in milliseconds; 0 for claims, which only ever insert. */
  updatedAt: number;
  eventId: string;
}

/** From a token: who it is, and the profile where the product's custom claims carry one. */
export function factsOfClaims(claims: Claims): UserFacts {
  return {
    clerkId: claims.sub,
    externalId: text(claims.external_id),
    email: text(claims.email),
    name: text(claims.name),
    imageUrl: text(claims.image_url),
    banned: false,
    locked: false,
    deprovisioned: false,
    updatedAt: 0,
    eventId: '',
  };
}

/** From a user as Clerk's API or an event shows it. */
export function factsOfUser(user: ClerkUser, eventId = ''): UserFacts {
  const primary = user.email_addresses?.find(({ id }) => id === user.primary_email_address_id);
  return {
    clerkId: user.id,
    externalId: text(user.external_id),
    email: text(primary?.email_address),
    name: text([user.first_name, user.last_name].filter(Boolean).join(' ')),
    imageUrl: text(user.image_url),
    banned: user.banned ?? false,
    locked: user.locked ?? false,
    deprovisioned: user.deprovisioned ?? false,
    updatedAt: user.updated_at,
    eventId,
  };
}

/** A text that PostgreSQL can hold, else null. */
function text(value: unknown): string | null {
  if (typeof value !== 'string' || value === '' || value.includes('\0') || !value.isWellFormed()) return null;
  return value.slice(0, MAX_TEXT);
}
