import type { ClaimedUser } from '../auth/index.ts';
import type { ClerkUser } from '../clerk/index.ts';
import { storableKey, storableText } from '../database/index.ts';

type PublicUserData = Pick<ClerkUser, 'first_name' | 'last_name' | 'image_url' | 'username'> & { user_id: string };

/** What Clerk says of a user, in our words: the input of `mirror`. */
export interface UserFacts {
  clerkId: string;
  externalId: string | null;
  email: string | null;
  emailVerified: boolean;
  username: string | null;
  phone: string | null;
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
export function factsOfClaims(claims: ClaimedUser): UserFacts {
  return {
    clerkId: claims.sub,
    externalId: storableKey(claims.external_id),
    email: storableText(claims.email),
    emailVerified: claims.email_verified === true,
    username: storableText(claims.username),
    phone: storableText(claims.phone_number),
    name: storableText(claims.name),
    imageUrl: storableText(claims.image_url),
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
  const phone = user.phone_numbers?.find(({ id }) => id === user.primary_phone_number_id);
  return {
    clerkId: user.id,
    externalId: storableKey(user.external_id),
    email: storableText(primary?.email_address),
    emailVerified: primary?.verification?.status === 'verified',
    username: storableText(user.username),
    phone: storableText(phone?.phone_number),
    name: storableText([user.first_name, user.last_name].map(storableText).filter(Boolean).join(' ')),
    imageUrl: storableText(user.image_url),
    banned: user.banned ?? false,
    locked: user.locked ?? false,
    deprovisioned: user.deprovisioned ?? false,
    updatedAt: user.updated_at ?? 0,
    eventId,
  };
}

/** From a user inside an event of something else: a claim, since it has no time of its own. */
export function factsOfPublicData({ user_id: id, ...shown }: PublicUserData): UserFacts {
  const { first_name, last_name, image_url, username } = shown;
  return factsOfUser({ id, first_name, last_name, image_url, username });
}
