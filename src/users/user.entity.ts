import { defineEntity, p } from '@mikro-orm/core';
import { mirrored } from '../clerk/mirrored.entity.ts';
import { id, times } from '../database/columns.entity.ts';

const UserSchema = defineEntity({
  name: 'User',
  tableName: 'users',
  properties: {
    id,
    clerkId: p.text().unique(),
    externalId: p.text().nullable(),
    /** Not unique, and nobody is found by it. */
    email: p.text().nullable(),
    /** False until Clerk says that it is. */
    emailVerified: p.boolean().default(false),
    username: p.text().nullable(),
    /** The primary number. */
    phone: p.text().nullable(),
    name: p.text().nullable(),
    imageUrl: p.text().nullable(),
    locale: p.text().nullable(),
    timezone: p.text().nullable(),
    settings: p.json<Record<string, unknown>>().default('{}'),
    bannedAt: p.datetime().nullable(),
    lockedAt: p.datetime().nullable(),
    deprovisionedAt: p.datetime().nullable(),
    /** A tombstone: the row stays, so that nothing brings the user back. */
    deletedAt: p.datetime().nullable(),
    ...mirrored,
    ...times,
  },
  uniques: [{ name: 'users_external_id_living', properties: ['externalId'], where: 'deleted_at is null' }],
});

/** What the user decides here, not in Clerk; what is absent stays. */
export interface ProfileChanges {
  locale?: string | null;
  timezone?: string | null;
  settings?: Record<string, unknown>;
}

/** A person who signs in with Clerk; global, not of a tenant. */
export class User extends UserSchema.class {
  changeProfile(changes: ProfileChanges): void {
    if (changes.locale !== undefined) this.locale = changes.locale;
    if (changes.timezone !== undefined) this.timezone = changes.timezone;
    if (changes.settings !== undefined) this.settings = changes.settings;
  }
}
UserSchema.setClass(User);

/** What a user is called: one who signs up with a username or a phone number need not give a name. */
export function nameOfUser({ name, username }: Pick<User, 'name' | 'username'>): string | null {
  return name ?? username ?? null;
}
