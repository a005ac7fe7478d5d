import type { EntityManager } from '@mikro-orm/postgresql';
import {
  type Answers,
  CannotReconcile,
  type ClerkMembership,
  type ClerkReader,
  ClerkRefusal,
  type Ending,
  type Ours,
  type Step,
  type Subject,
  sortOut,
  Unreadable,
  type Walk,
  walkByOffset,
} from '../clerk/index.ts';
import { asTenant, transaction } from '../database/index.ts';
import type { MembershipMirror } from './membership-mirror.service.ts';
import { essentialsOf, keyOfPair, ownersOf, type Pair, pairOf, pairOfKey } from './membership-pair.ts';
import { standingsOf } from './membership-standings.ts';
import { Tenant } from './tenant.entity.ts';

const TENANTS_AT_A_TIME = 100;
/** Of Clerk's list, in memory: some 30 MB. */
const AT_A_TIME = 50_000;

/**
 * Memberships, as they are reconciled; a key is `org_…/user_…`: what claims made has no id of Clerk's, and by that Clerk
 * cannot be asked. What belongs to a tenant that is deleted here is no matter of its own.
 */
export class MembershipSubject implements Subject<ClerkMembership> {
  readonly name = 'memberships';
  readonly unit = 'organizations';
  readonly #em: EntityManager;
  readonly #reader: ClerkReader;
  readonly #mirror: MembershipMirror;

  constructor(em: EntityManager, reader: ClerkReader, mirror: MembershipMirror) {
    this.#em = em;
    this.#reader = reader;
    this.#mirror = mirror;
  }

  keyOf(membership: ClerkMembership): string {
    return keyOfPair(pairOf(membership));
  }

  isKey(text: string): boolean {
    return /^org_\w+\/user_\w+$/.test(text);
  }

  async count(signal: AbortSignal): Promise<number> {
    return this.#reader.countMemberships(signal);
  }

  walk({ signal, ...bounds }: Walk) {
    const list = (offset: number) => this.#reader.memberships(offset, signal);
    const pages = walkByOffset(list, { ...bounds, keyOf: (membership) => this.keyOf(membership) });
    return this.#byTenant(pages);
  }

  /** One transaction for all: each tenant's rows are read as that tenant. */
  async standings(em: EntityManager, theirs: ClerkMembership[], { lock }: { lock: boolean }) {
    return em.isInTransaction()
      ? standingsOf(em, theirs, { lock })
      : transaction(em, (own) => standingsOf(own, theirs, { lock }));
  }

  async mirror(em: EntityManager, theirs: ClerkMembership[], eventId: string): Promise<void> {
    await this.#mirror.mirrorAll(em, theirs, eventId);
  }

  async countOurs(em: EntityManager, _since: Date, after: string): Promise<number> {
    return em.count(Tenant, { deletedAt: null, clerkId: { $gt: after } });
  }

  /** Of some tenants; `after` is a tenant, or a membership within one. */
  async ours(em: EntityManager, since: Date, after: string): Promise<Ours | undefined> {
    const { tenantId: afterTenant, userId: afterUser } = pairOfKey(after);
    const comparison = afterUser ? '>=' : '>';
    return transaction(em, async (own) => {
      const tenants = await own.execute<{ id: string; clerk_id: string }[]>(
        `select id, clerk_id from tenants where deleted_at is null and clerk_id ${comparison} ? order by clerk_id limit ?`,
        [afterTenant, TENANTS_AT_A_TIME],
      );
      const position = tenants.at(-1)?.clerk_id;
      if (position === undefined) return undefined;
      const keys: string[] = [];
      for (const { id, clerk_id: tenantId } of tenants) {
        const users = await usersIn(own, id, since, tenantId === afterTenant ? afterUser : '');
        keys.push(...users.map((userId) => keyOfPair({ tenantId, userId })));
      }
      return { keys, position, counted: tenants.length };
    });
  }

  /** Where there is no such organization any more its own deletion ends them. */
  async ask(keys: string[], signal: AbortSignal): Promise<Answers<ClerkMembership>> {
    const answers: Answers<ClerkMembership> = { there: [], unlisted: [], refused: [] };
    for (const [tenantId, pairs] of Map.groupBy(keys.map(pairOfKey), (pair) => pair.tenantId)) {
      const found = await this.#listOf(tenantId, pairs, signal);
      if (found === 'refused') answers.refused.push(...pairs.map(keyOfPair));
      if (typeof found === 'string') continue;
      const { items } = sortOut(found);
      const listed = new Set(items.map(({ public_user_data: user }) => user.user_id));
      answers.there.push(...items);
      answers.unlisted.push(...pairs.filter(({ userId }) => !listed.has(userId)).map(keyOfPair));
    }
    return answers;
  }

  /** That the list of the organization, which is there, has nobody under that very user id, nor one that cannot be read. */
  async find(key: string, signal?: AbortSignal): Promise<ClerkMembership | Unreadable | 'absent'> {
    const { tenantId, userId } = pairOfKey(key);
    const found = await this.#reader.membershipsOf(tenantId, [userId], signal);
    if (found === 'absent') throw new CannotReconcile(`${tenantId}: is not at Clerk any more`);
    // a list of others was not narrowed to the user, so it says nothing
    const { items } = sortOut(found);
    if (items.some((each) => each.public_user_data.user_id !== userId)) throw new Error('Clerk answered of others');
    return items[0] ?? found[0] ?? 'absent';
  }

  async end(em: EntityManager, keys: string[], ending: Ending): Promise<void> {
    const pairs = keys.map(pairOfKey);
    await ownersOf(em, pairs, { lock: true });
    for (const pair of pairs) await this.#mirror.end(em, pair, ending);
  }

  async revive(key: string, eventId: string): Promise<void> {
    const membership = await this.find(key);
    if (membership === 'absent') throw new CannotReconcile(`${key}: is not alive at Clerk`);
    if (membership instanceof Unreadable) throw new CannotReconcile(`${key}: what Clerk says of it cannot be read`);
    const isRevived = await transaction(this.#em.fork(), (em) => this.#mirror.revive(em, membership, eventId));
    if (!isRevived) throw new CannotReconcile(`${key}: is not ended here, or its organization is deleted here`);
  }

  /** Many at a time, in order, so that a tenant's come together: its rows are read and written as that tenant. */
  async *#byTenant(pages: AsyncIterable<Step<ClerkMembership>>): AsyncGenerator<Step<ClerkMembership>> {
    let step: Step<ClerkMembership> = { items: [], unreadable: [], position: 0 };
    const inOrder = () => step.items.toSorted((a, b) => (this.keyOf(a) < this.keyOf(b) ? -1 : 1));
    for await (const { items, unreadable, position } of pages) {
      const essentials = items.map(essentialsOf);
      step = { items: step.items.concat(essentials), unreadable: step.unreadable.concat(unreadable), position };
      if (step.items.length < AT_A_TIME) continue;
      yield { ...step, items: inOrder() };
      step = { items: [], unreadable: [], position };
    }
    if (step.items.length + step.unreadable.length > 0) yield { ...step, items: inOrder() };
  }

  async #listOf(tenantId: string, pairs: Pair[], signal: AbortSignal) {
    const userIds = pairs.map(({ userId }) => userId);
    try {
      return await this.#reader.membershipsOf(tenantId, userIds, signal);
    } catch (error) {
      if (error instanceof ClerkRefusal && !error.isPassing) return 'refused';
      throw error;
    }
  }
}

/** Clerk's ids of the living members whose rows nobody touched since, in order. */
async function usersIn(em: EntityManager, tenantId: string, since: Date, after: string): Promise<string[]> {
  const rows = await asTenant(em, tenantId, (own) =>
    own.execute<{ clerk_id: string }[]>(
      `select users.clerk_id from memberships join users on users.id = user_id
       where tenant_id = ? and ended_at is null and memberships.updated_at < ? and users.clerk_id > ?
       order by users.clerk_id`,
      [tenantId, since, after],
    ),
  );
  return rows.map((row) => row.clerk_id);
}
