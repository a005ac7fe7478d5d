import { EntityManager, LockMode } from '@mikro-orm/postgresql';
import { Injectable } from '@nestjs/common';
import { LRUCache } from 'lru-cache';
import {
  ClerkApi,
  type ClerkOrganization,
  ClerkOrganizations,
  type ClerkUser,
  clerkDeadline,
  hadNoEffect,
} from '../clerk/index.ts';
import { asTenant, transaction } from '../database/index.ts';
import { Problem } from '../http/index.ts';
import type { User } from '../users/index.ts';
import { ADMIN, requireAdmin } from './admins.ts';
import { MembershipMirror } from './membership-mirror.service.ts';
import { Tenant } from './tenant.entity.ts';
import { ANSWER, factsOfOrganization } from './tenant-facts.ts';
import { TenantIntents } from './tenant-intents.service.ts';
import { TenantMirror } from './tenant-mirror.service.ts';
import type { TenantSnapshot } from './tenant-snapshot.ts';
import type { NewTenant, TenantChanges } from './tenants.schemas.ts';
import { TenantsService } from './tenants.service.ts';

/** What a creation needs for its two calls to Clerk. */
const CREATION_MS = 4000;
const MAX_REFUSED = 10_000;
/** As long a user who may make more again is still refused. */
const REFUSED_MS = 60_000;

/** Makes, changes and deletes tenants: at Clerk, whose answer is mirrored. */
@Injectable()
export class TenantChangesService {
  readonly #turns = new Map<string, Promise<unknown>>();
  /** How many tenants those may make who were refused another: to repeat the request costs no call. */
  readonly #refused = new LRUCache<string, number>({ max: MAX_REFUSED, ttl: REFUSED_MS });

  constructor(
    private readonly em: EntityManager,
    private readonly api: ClerkApi,
    private readonly clerk: ClerkOrganizations,
    private readonly mirror: TenantMirror,
    private readonly memberships: MembershipMirror,
    private readonly intents: TenantIntents,
    private readonly tenants: TenantsService,
  ) {}

  /** With the user as its admin. Throws `permission_required` where Clerk lets this user make none. */
  async create(user: User, facts: NewTenant): Promise<TenantSnapshot> {
    const until = clerkDeadline();
    return this.#inTurn(user.clerkId, () => this.#create(user, facts, until));
  }

  /** Name and slug are Clerk's, settings are ours. For an admin. */
  async change(tenant: Tenant, admin: User, { settings, ...facts }: TenantChanges): Promise<TenantSnapshot> {
    await this.#requireAdmin(tenant, admin);
    const answer = Object.keys(facts).length > 0 ? await this.clerk.update(tenant.clerkId, facts) : undefined;
    await transaction(this.em.fork(), async (em) => {
      if (answer) await this.mirror.mirror(em, factsOfOrganization(answer, ANSWER));
      const row = await em.findOneOrFail(Tenant, { id: tenant.id }, { lockMode: LockMode.PESSIMISTIC_WRITE });
      // deleted since the request was let in: a tombstone keeps nothing
      if (row.deletedAt) throw new Problem('token_revoked');
      if (settings) row.settings = settings;
    });
    return this.tenants.reload(tenant.clerkId);
  }

  /** For an admin, where Clerk lets admins do it. */
  async delete(tenant: Tenant, admin: User): Promise<void> {
    await this.#requireAdmin(tenant, admin);
    await this.#deleteAtClerk(tenant.clerkId);
    await transaction(this.em.fork(), (em) =>
      this.mirror.delete(em, { clerkId: tenant.clerkId, deletedAt: Date.now(), eventId: ANSWER }),
    );
  }

  /** One after the other for each user in this process; so one of them waits for those of other processes. */
  async #inTurn<Made>(userId: string, make: () => Promise<Made>): Promise<Made> {
    const made = Promise.resolve(this.#turns.get(userId)).then(make);
    const turn = made.catch(() => undefined);
    this.#turns.set(userId, turn);
    try {
      return await made;
    } finally {
      if (this.#turns.get(userId) === turn) this.#turns.delete(userId);
    }
  }

  async #create(user: User, facts: NewTenant, until: number): Promise<TenantSnapshot> {
    const intent = await this.intents.begin(user.id, until - CREATION_MS);
    let isAsked = false;
    try {
      await this.#requireCreator(user, until);
      isAsked = true;
      const answer = await this.clerk.create({ ...facts, createdBy: user.clerkId }, until);
      await transaction(this.em.fork(), (em) => this.#apply(em, user, answer, intent));
      return await this.tenants.reload(answer.id);
    } catch (error) {
      // after an unknown outcome it stays until it lapses: the organization may be there, and is counted when its event comes
      if (!isAsked || (error instanceof Problem && hadNoEffect(error))) await this.intents.end(this.em.fork(), intent);
      throw error;
    }
  }

  async #apply(em: EntityManager, user: User, answer: ClerkOrganization, intent: string): Promise<void> {
    await this.mirror.mirror(em, { ...factsOfOrganization(answer, ANSWER), createdBy: user.clerkId });
    const { id: tenantId } = await em.findOneOrFail(Tenant, { clerkId: answer.id });
    const ids = { tenantId, userId: user.id };
    await asTenant(em, tenantId, (own) => this.memberships.meet(own, ids, { role: ADMIN, issuedAt: 0 }));
    await this.intents.end(em, intent);
  }

  /** What Clerk's own pages would check; its Backend API does not. */
  async #requireCreator({ clerkId }: User, until: number): Promise<void> {
    const made = await this.em.fork().count(Tenant, { createdBy: clerkId, deletedAt: null });
    const limit = this.#refused.get(clerkId);
    if (limit === undefined || made < limit) {
      const allowed = limitOf(await this.#userAtClerk(clerkId, until));
      if (made < allowed) return;
      this.#refused.set(clerkId, allowed);
    }
    throw new Problem('permission_required', { detail: 'You may not create another tenant.' });
  }

  async #userAtClerk(clerkId: string, until: number) {
    try {
      return await this.api.getUser(clerkId, until);
    } catch (error) {
      if (error instanceof Problem && error.code === 'not_found') throw new Problem('token_revoked', { cause: error });
      throw error;
    }
  }

  async #requireAdmin(tenant: Tenant, admin: User): Promise<void> {
    await transaction(this.em, (em) => requireAdmin(em, { tenantId: tenant.id, userId: admin.id }));
  }

  /** That Clerk has none any more is what was asked for: an answer that says so may have been lost. */
  async #deleteAtClerk(clerkId: string): Promise<void> {
    const until = clerkDeadline();
    try {
      const { admin_delete_enabled: isAllowed } = await this.clerk.get(clerkId, until);
      if (isAllowed === false)
        throw new Problem('permission_required', { detail: 'Admins may not delete this tenant.' });
      await this.clerk.delete(clerkId, until);
    } catch (error) {
      if (!(error instanceof Problem && error.code === 'not_found')) throw error;
    }
  }
}

/** How many tenants Clerk lets the user make; 0 is Clerk's word for no limit. */
function limitOf({ create_organization_enabled: isEnabled, create_organizations_limit: limit }: ClerkUser): number {
  return isEnabled === false ? 0 : limit || Number.POSITIVE_INFINITY;
}
