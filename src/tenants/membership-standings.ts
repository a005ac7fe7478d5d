import { type EntityManager, LockMode } from '@mikro-orm/postgresql';
import type { ClerkMembership, Standing } from '../clerk/index.ts';
import { asTenant } from '../database/index.ts';
import { Membership } from './membership.entity.ts';
import { keyOfPair, ownersOf, pairOf } from './membership-pair.ts';
import { factsOfMembership, type MembershipFacts } from './tenant-facts.ts';

/** How our rows stand to what Clerk says of memberships, by key. In a transaction; with `lock` in the order of locks. */
export async function standingsOf(em: EntityManager, theirs: ClerkMembership[], { lock }: { lock: boolean }) {
  const { users, tenants } = await ownersOf(em, theirs.map(pairOf), { lock });
  const userIds = new Map(users.map((user) => [user.clerk_id, user.id]));
  const byTenant = Map.groupBy(theirs, ({ organization }) => organization.id);
  const standings = new Map<string, Standing>();
  for (const tenant of tenants) {
    const told = byTenant.get(tenant.clerk_id) ?? [];
    const rows = tenant.is_deleted ? undefined : await rowsOf(em, tenant.id, told, userIds, lock);
    for (const membership of told) {
      const row = rows?.get(userIds.get(membership.public_user_data.user_id));
      if (tenant.is_deleted) standings.set(keyOfPair(pairOf(membership)), SETTLED);
      else if (row) standings.set(keyOfPair(pairOf(membership)), standingOf(row, factsOf(membership)));
    }
  }
  return standings;
}

/** Has ended with its tenant. */
const SETTLED: Standing = { isOver: false, isSame: true, isNewer: false, touchedAt: new Date(0) };

async function rowsOf(
  em: EntityManager,
  tenantId: string,
  theirs: ClerkMembership[],
  userIds: Map<string, string>,
  lock: boolean,
): Promise<Map<string | undefined, Membership>> {
  const known = theirs.flatMap(({ public_user_data: user }) => userIds.get(user.user_id) ?? []);
  const order = { orderBy: { userId: 'asc' as const }, disableIdentityMap: true };
  const rows = await asTenant(em, tenantId, (own) =>
    own.find(
      Membership,
      { tenantId, userId: { $in: known } },
      { ...order, ...(lock && { lockMode: LockMode.PESSIMISTIC_WRITE }) },
    ),
  );
  return new Map(rows.map((row) => [row.userId, row]));
}

function factsOf(membership: ClerkMembership): MembershipFacts {
  return factsOfMembership(membership, { eventId: '' });
}

/** What ended under the same id is over; what ended under another may be followed by this one. */
function standingOf(row: Membership, facts: MembershipFacts): Standing {
  const isThisOne = row.clerkId === facts.clerkId;
  const isOver = Boolean(row.endedAt) && isThisOne;
  const isSame = !row.endedAt && isThisOne && row.role === facts.role && row.clerkUpdatedAt >= facts.updatedAt;
  return { isOver, isSame, isNewer: isLater(row, facts), touchedAt: row.updatedAt };
}

/** In the order of the mirror: which membership of the pair, whether it has ended, and when that was said. */
function isLater(row: Membership, facts: MembershipFacts): boolean {
  const id = row.clerkId ?? '';
  if (row.clerkCreatedAt !== facts.createdAt) return row.clerkCreatedAt > facts.createdAt;
  if (id !== facts.clerkId) return id > facts.clerkId;
  return Boolean(row.endedAt) || row.clerkUpdatedAt > facts.updatedAt;
}
