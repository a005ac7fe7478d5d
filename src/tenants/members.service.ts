import { EntityManager } from '@mikro-orm/postgresql';
import { Inject, Injectable } from '@nestjs/common';
import { Revocations } from '../auth/index.ts';
import { type ClerkMembership, ClerkOrganizations } from '../clerk/index.ts';
import { SETTINGS, type Settings } from '../config/index.ts';
import { asTenant, transaction } from '../database/index.ts';
import { type ListQuery, listPage, Problem } from '../http/index.ts';
import type { User } from '../users/index.ts';
import { ADMIN, keepAdmin, requireAdmin, withdrawAdmin } from './admins.ts';
import { Membership } from './membership.entity.ts';
import { MembershipMirror } from './membership-mirror.service.ts';
import type { Tenant } from './tenant.entity.ts';
import { ANSWER } from './tenant-facts.ts';

type Whole = Membership & { user: User; tenant: Tenant };
type Check = (em: EntityManager) => Promise<void>;
/** Writes down here what Clerk answered. */
type Write = (em: EntityManager) => Promise<void>;

const WHOLE = ['user', 'tenant'] as const;
const LIVING = { endedAt: null, user: { deletedAt: null }, tenant: { deletedAt: null } };

/** Who belongs to a tenant: read from our copy, changed at Clerk. */
@Injectable()
export class MembersService {
  readonly #clockSkewMs: number;

  constructor(
    private readonly em: EntityManager,
    private readonly clerk: ClerkOrganizations,
    private readonly mirror: MembershipMirror,
    private readonly revocations: Revocations,
    @Inject(SETTINGS) settings: Settings,
  ) {
    this.#clockSkewMs = settings.clerk.clockSkewMs;
  }

  async listOf(tenant: Tenant, query: ListQuery) {
    return transaction(this.em, (em) =>
      listPage(em, Membership, { ...LIVING, tenantId: tenant.id }, query, { populate: WHOLE }),
    );
  }

  /** The user's own, in whichever tenants. */
  async ownOf(user: User, query: ListQuery) {
    return transaction(this.em, (em) =>
      listPage(em, Membership, { ...LIVING, userId: user.id }, query, { populate: WHOLE }),
    );
  }

  /** For an admin of the tenant. Answers the membership as it is then. */
  async changeRole(tenant: Tenant, admin: User, userId: string, role: string): Promise<Whole> {
    const check = async (em: EntityManager) => requireAdmin(em, { tenantId: tenant.id, userId: admin.id });
    const membership = await this.#change(tenant.id, userId, check, { keepsAdmin: role === ADMIN }, async (whole) => {
      const answer = await this.clerk.changeRole(whole.tenant.clerkId, whole.user.clerkId, role);
      return (em) => this.mirror.mirror(em, answer, { eventId: ANSWER });
    });
    return asTenant(this.em, tenant.id, (em) => this.#find(em, tenant.id, membership.userId));
  }

  /** For an admin of the tenant. */
  async remove(tenant: Tenant, admin: User, userId: string): Promise<void> {
    await this.#end(tenant.id, userId, (em) => requireAdmin(em, { tenantId: tenant.id, userId: admin.id }));
  }

  /** The user leaves a tenant, whichever is active. */
  async leave(user: User, tenantId: string): Promise<void> {
    await this.#end(tenantId, user.id, async () => undefined);
  }

  async #end(tenantId: string, userId: string, check: Check): Promise<void> {
    await this.#change(tenantId, userId, check, { keepsAdmin: false }, async (membership) => {
      const { user, tenant, clerkId = null } = membership;
      const answer = await this.#remove(membership);
      const at = Math.max(answer?.updated_at ?? 0, Date.now());
      const pair = { userId: user.clerkId, tenantId: tenant.clerkId };
      return async (em) => {
        if (answer) await this.mirror.mirror(em, answer, { eventId: ANSWER, endedAt: at });
        else await this.mirror.endNamed(em, pair, { clerkId, at, eventId: ANSWER });
        // Clerk's clock may be ahead of ours: by ours alone a token from just before the end would seem to be from after it,
        // of a later membership. Who is added again at once waits that long for a token that counts
        await this.revocations.revokeMembership(em, pair, at + this.#clockSkewMs);
      };
    });
  }

  /** Undefined where Clerk has none any more, which is what was asked for: an answer that says so may have been lost. */
  async #remove({ tenant, user }: Whole): Promise<ClerkMembership | undefined> {
    try {
      return await this.clerk.removeMember(tenant.clerkId, user.clerkId);
    } catch (error) {
      if (error instanceof Problem && error.code === 'not_found') return undefined;
      throw error;
    }
  }

  /** Checks and notes what is wanted, asks Clerk without a transaction, and mirrors its answer. */
  async #change(
    tenantId: string,
    userId: string,
    check: Check,
    { keepsAdmin }: { keepsAdmin: boolean },
    ask: (membership: Whole) => Promise<Write>,
  ): Promise<Whole> {
    const { membership, withdrawal } = await asTenant(this.em, tenantId, async (em) => {
      await check(em);
      const found = await this.#find(em, tenantId, userId);
      return { membership: found, withdrawal: keepsAdmin ? undefined : await withdrawAdmin(em, found) };
    });
    try {
      await transaction(this.em.fork(), await ask(membership));
    } catch (error) {
      // an unknown outcome keeps the mark until it lapses
      if (withdrawal && error instanceof Problem && error.code !== 'unavailable')
        await asTenant(this.em, tenantId, (em) => keepAdmin(em, membership, withdrawal));
      throw error;
    }
    return membership;
  }

  async #find(em: EntityManager, tenantId: string, userId: string): Promise<Whole> {
    const membership = await em.findOne(Membership, { ...LIVING, tenantId, userId }, { populate: WHOLE });
    if (!membership) throw new Problem('not_found');
    return membership;
  }
}
