import type { EntityManager } from '@mikro-orm/postgresql';
import { Inject, Injectable } from '@nestjs/common';
import { v7 as uuidv7 } from 'uuid';
import { Revocations } from '../auth/index.ts';
import type { ClerkMembership, Ending } from '../clerk/index.ts';
import { SETTINGS, type Settings } from '../config/index.ts';
import { asTenant, ChangeLog } from '../database/index.ts';
import { factsOfPublicData, UserMirror } from '../users/index.ts';
import { ownersOf, type Pair, pairOf } from './membership-pair.ts';
import { END_NAMED, END_UNTOUCHED, LATER_ROLE, MEET, MIRROR, REVIVE } from './membership-statements.ts';
import { factsOfMembership, factsOfOrganization, type MembershipFacts, type MembershipWord } from './tenant-facts.ts';
import { TenantMirror } from './tenant-mirror.service.ts';

/** The topic of memberships in the change log; the key is `keyOfMembership`. */
export const MEMBERSHIP_CHANGED = 'membership';

interface Ids {
  userId: string;
  tenantId: string;
}

interface NamedEnding extends Omit<Ending, 'since'> {
  /** Clerk's id of the membership. */
  clerkId: string | null;
}

interface Told {
  inserted: boolean;
  role_before: string | null;
}

/** By our own ids. */
export function keyOfMembership({ userId, tenantId }: Ids): string {
  return `${userId}/${tenantId}`;
}

/**
 * The one way in which Clerk's memberships reach our table. A pair has one row: of several memberships at Clerk, one after
 * the other, the one that was made last counts; of one membership its end, else its latest word.
 */
@Injectable()
export class MembershipMirror {
  readonly #clockSkewMs: number;

  constructor(
    private readonly users: UserMirror,
    private readonly tenants: TenantMirror,
    private readonly changes: ChangeLog,
    private readonly revocations: Revocations,
    @Inject(SETTINGS) { clerk }: Settings,
  ) {
    this.#clockSkewMs = clerk.clockSkewMs;
  }

  /**
   * Brings the row in line with what Clerk said, unless it knows something newer. User and tenant may not have been told yet;
   * without a time of their own they are claims. An end, and a change of role, withdraw the tokens that were issued until
   * then. In the caller's transaction.
   */
  async mirror(em: EntityManager, membership: ClerkMembership, word: MembershipWord): Promise<void> {
    const { organization, public_user_data: user } = membership;
    await this.users.mirror(em, factsOfPublicData(user));
    await this.tenants.mirror(em, factsOfOrganization(organization, word.eventId));
    await this.#mirror(em, pairOf(membership), factsOfMembership(membership, word));
  }

  /**
   * As `mirror`, for memberships of different pairs at once: users and tenants are locked in the order of locks, and what
   * belongs to a tenant is written together.
   */
  async mirrorAll(em: EntityManager, memberships: ClerkMembership[], eventId: string): Promise<void> {
    const owners = await this.#ownersOf(em, memberships, eventId);
    for (const [organizationId, own] of Map.groupBy(memberships, ({ organization }) => organization.id)) {
      const tenantId = idIn(owners, organizationId);
      const told = await asTenant(em, tenantId, async (scoped) => {
        const marks: [Pair, number | null][] = [];
        for (const membership of own) {
          const ids = { tenantId, userId: idIn(owners, membership.public_user_data.user_id) };
          marks.push([pairOf(membership), await this.#tell(scoped, ids, factsOfMembership(membership, { eventId }))]);
        }
        return marks;
      });
      for (const [pair, upTo] of told) if (upTo !== null) await this.revocations.revokeMembership(em, pair, upTo);
    }
  }

  /**
   * Notes the membership that a token speaks of: where none of the pair was ever known, or the last one ended before the token
   * was issued (seconds), by more than the clock skew. Never under a deleted tenant or user. In a transaction of the tenant.
   */
  async meet(em: EntityManager, ids: Ids, { role, issuedAt }: { role: string; issuedAt: number }): Promise<void> {
    const values = [uuidv7(), role, ids.userId, ids.tenantId, this.#clockSkewMs, issuedAt];
    const [met] = await em.execute<{ inserted: boolean }[]>(MEET, values);
    if (met && !met.inserted) this.changes.record(em, MEMBERSHIP_CHANGED, keyOfMembership(ids));
  }

  /**
   * Ends the pair's membership, because Clerk says that there is none, unless the row was touched meanwhile; withdraws the
   * tokens that were issued until then. In the caller's transaction.
   */
  async end(em: EntityManager, pair: Pair, { since, at, eventId }: Ending): Promise<void> {
    const ids = await lockPair(em, pair);
    if (await this.#end(em, END_UNTOUCHED, ids, [at, at, eventId, ids.tenantId, ids.userId, since]))
      await this.revocations.revokeMembership(em, pair, at);
  }

  /**
   * Ends the membership of that id (null: of none yet), because Clerk does not have it any more; another that the row shows
   * by now stays. Withdraws the tokens that were issued until then in any case. In the caller's transaction.
   */
  async endNamed(em: EntityManager, pair: Pair, { clerkId, at, eventId }: NamedEnding): Promise<void> {
    const ids = await lockPair(em, pair);
    await this.#end(em, END_NAMED, ids, [at, at, eventId, ids.tenantId, ids.userId, clerkId]);
    await this.revocations.revokeMembership(em, pair, at);
  }

  /**
   * Takes back the end of that very membership, where there is one, and mirrors; answers whether there was. Never under a
   * deleted tenant. For an operator. In the caller's transaction.
   */
  async revive(em: EntityManager, membership: ClerkMembership, eventId: string): Promise<boolean> {
    const pair = pairOf(membership);
    const ids = await lockPair(em, pair);
    const revived = await asTenant(em, ids.tenantId, (own) =>
      own.execute<unknown[]>(REVIVE, [ids.tenantId, ids.userId, membership.id]),
    );
    if (revived.length > 0) await this.#mirror(em, pair, factsOfMembership(membership, { eventId }));
    return revived.length > 0;
  }

  /** Whether it ended anything. */
  async #end(em: EntityManager, statement: string, ids: Ids, values: unknown[]): Promise<boolean> {
    const ended = await asTenant(em, ids.tenantId, (own) => own.execute<unknown[]>(statement, values));
    if (ended.length > 0) this.changes.record(em, MEMBERSHIP_CHANGED, keyOfMembership(ids));
    return ended.length > 0;
  }

  /** Our ids by Clerk's, locked; those that are not here are mirrored first, as are the tenants as they are now. */
  async #ownersOf(em: EntityManager, memberships: ClerkMembership[], eventId: string): Promise<Map<string, string>> {
    const pairs = memberships.map(pairOf);
    const known = new Set((await ownersOf(em, pairs, { lock: true })).users.map((user) => user.clerk_id));
    const users = new Map(memberships.map(({ public_user_data: user }) => [user.user_id, user]));
    for (const [id, user] of [...users].toSorted(byId))
      if (!known.has(id)) await this.users.mirror(em, factsOfPublicData(user));
    const organizations = new Map(memberships.map(({ organization }) => [organization.id, organization]));
    for (const [, organization] of [...organizations].toSorted(byId))
      await this.tenants.mirror(em, factsOfOrganization(organization, eventId));
    const owners = await ownersOf(em, pairs, { lock: true });
    return new Map([...owners.users, ...owners.tenants].map((row) => [row.clerk_id, row.id]));
  }

  async #mirror(em: EntityManager, pair: Pair, facts: MembershipFacts): Promise<void> {
    const ids = await lockPair(em, pair);
    const upTo = await asTenant(em, ids.tenantId, (own) => this.#tell(own, ids, facts));
    if (upTo !== null) await this.revocations.revokeMembership(em, pair, upTo);
  }

  /** Answers up to when tokens are withdrawn by it. In a transaction of the tenant. */
  async #tell(em: EntityManager, ids: Ids, facts: MembershipFacts): Promise<number | null> {
    const told = await this.#write(em, ids, facts);
    if (told && !told.inserted) this.changes.record(em, MEMBERSHIP_CHANGED, keyOfMembership(ids));
    return facts.endedAt ?? (await roleChangedAt(em, ids, facts, told));
  }

  async #write(em: EntityManager, ids: Ids, facts: MembershipFacts): Promise<Told | undefined> {
    const [told] = await em.execute<Told[]>(MIRROR, [
      uuidv7(),
      ids.tenantId,
      ids.userId,
      facts.clerkId,
      facts.role,
      facts.createdAt,
      facts.updatedAt,
      facts.endedAt,
      facts.eventId,
    ]);
    return told;
  }
}

/**
 * Up to when tokens may have another role than the latest; null: as far as is known, none has. A role that was never known
 * may have been another until now, and one that is told late was, until some time before the latest word.
 */
async function roleChangedAt(em: EntityManager, ids: Ids, facts: MembershipFacts, told?: Told): Promise<number | null> {
  const { clerkId, role, createdAt, updatedAt } = facts;
  if (told?.inserted) return updatedAt > createdAt ? updatedAt : null;
  if (told) return told.role_before === role ? null : updatedAt;
  const [later] = await em.execute<{ at: string }[]>(LATER_ROLE, [ids.tenantId, ids.userId, clerkId, role]);
  return later ? Number(later.at) : null;
}

function idIn(owners: Map<string, string>, clerkId: string): string {
  const id = owners.get(clerkId);
  if (!id) throw new Error('The user and the tenant of a membership are mirrored before it');
  return id;
}

function byId([one]: [string, unknown], [other]: [string, unknown]): number {
  return one < other ? -1 : 1;
}

/** As they are until the commit: no deletion of either passes unseen. In the order in which rows are locked. */
async function lockPair(em: EntityManager, pair: Pair): Promise<Ids> {
  const [user] = await em.execute<{ id: string }[]>('select id from users where clerk_id = ? for share', [pair.userId]);
  const [tenant] = await em.execute<{ id: string }[]>('select id from tenants where clerk_id = ? for share', [
    pair.tenantId,
  ]);
  if (!user || !tenant) throw new Error('The user and the tenant of a membership are mirrored before it');
  return { userId: user.id, tenantId: tenant.id };
}
