import type { EntityManager } from '@mikro-orm/postgresql';
import { type ClerkReader, type ClerkUser, GlobalSubject, type Subject, walkByCreation } from '../clerk/index.ts';
import { User } from './user.entity.ts';
import { factsOfUser, type UserFacts } from './user-facts.ts';
import type { UserMirror } from './user-mirror.service.ts';

/** Users, as they are reconciled. */
export function userSubject(em: EntityManager, reader: ClerkReader, mirror: UserMirror): Subject<ClerkUser> {
  return new GlobalSubject<User, ClerkUser, UserFacts>(em, {
    name: 'users',
    prefix: 'user_',
    entity: User,
    count: (signal) => reader.countUsers(signal),
    walk: ({ seen, signal, ...bounds }) => {
      const list = (after: number, offset: number) => reader.usersCreatedAfter(after, offset, signal);
      return walkByCreation(list, seen, bounds);
    },
    listOf: (ids, signal) => reader.usersOf(ids, signal),
    find: (id, signal) => reader.user(id, signal),
    factsOf: factsOfUser,
    shows,
    mirror,
  });
}

function shows(row: User, facts: UserFacts): boolean {
  return (
    row.externalId === facts.externalId &&
    row.email === facts.email &&
    row.emailVerified === facts.emailVerified &&
    row.username === facts.username &&
    row.phone === facts.phone &&
    row.name === facts.name &&
    row.imageUrl === facts.imageUrl &&
    Boolean(row.bannedAt) === facts.banned &&
    Boolean(row.lockedAt) === facts.locked &&
    Boolean(row.deprovisionedAt) === facts.deprovisioned
  );
}
