import type { EntityManager } from '@mikro-orm/postgresql';
import { type Row, rowOf } from '../database/index.ts';
import { User } from './user.entity.ts';

/** A user as read once. */
export interface UserSnapshot {
  readonly row: Row<User>;
  /** Banned, deprovisioned or deleted: no token of theirs is accepted. */
  readonly isRefused: boolean;
  /** Known from a token alone, without a profile. */
  readonly isIncomplete: boolean;
}

export async function loadSnapshot(em: EntityManager, clerkId: string): Promise<UserSnapshot | undefined> {
  const user = await em.findOne(User, { clerkId });
  if (!user) return undefined;
  return Object.freeze({
    row: rowOf(user),
    isRefused: Boolean(user.bannedAt ?? user.deprovisionedAt ?? user.deletedAt),
    isIncomplete: user.clerkUpdatedAt === 0 && user.email === null,
  });
}
