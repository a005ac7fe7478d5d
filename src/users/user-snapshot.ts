import type { EntityManager } from '@mikro-orm/postgresql';
import { deepFreeze } from '../database/index.ts';
import { User } from './user.entity.ts';

/** A user as read once, shared by every request of this process: never changed, and never handed out as an entity. */
export interface UserSnapshot {
  readonly row: Readonly<UserRow>;
  /** Banned, deprovisioned or deleted: no token of theirs is accepted. */
  readonly isRefused: boolean;
  /** Known from a token alone, without a profile. */
  readonly isIncomplete: boolean;
}

/** Every column; none is undefined in a row that was read. */
type UserRow = { [Column in Exclude<keyof User, 'changeProfile' | symbol>]: Exclude<User[Column], undefined> };

export async function loadSnapshot(em: EntityManager, clerkId: string): Promise<UserSnapshot | undefined> {
  const user = await em.findOne(User, { clerkId });
  if (!user) return undefined;
  const row = Object.assign({}, user) as UserRow;
  return deepFreeze({
    row,
    isRefused: Boolean(user.bannedAt ?? user.deprovisionedAt ?? user.deletedAt),
    isIncomplete: user.clerkUpdatedAt === 0 && user.email === null,
  });
}

/** The user as an entity of this EntityManager, without a query: changes to it are saved, and seen by nobody else. */
export function mergeSnapshot(em: EntityManager, { row }: UserSnapshot): User {
  return em.merge(User, copyOf(row));
}

function copyOf(row: Readonly<UserRow>): UserRow {
  const copies = Object.entries(row).map(([column, value]) => [
    column,
    value instanceof Date ? new Date(value) : structuredClone(value),
  ]);
  return Object.fromEntries(copies) as UserRow;
}
