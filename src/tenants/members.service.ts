import { EntityManager } from '@mikro-orm/postgresql';
import { Injectable } from '@nestjs/common';
import { type ClerkMembership, ClerkOrganizations } from '../clerk/index.ts';
import { asTenant, transaction } from '../database/index.ts';
import { type ListQuery, listPage, Problem } from '../http/index.ts';
import type { User } from '../users/index.ts';
import { ADMIN, keepAdmin, requireAdmin, withdrawAdmin } from './admins.ts';
import { Membership } from './membership.entity.ts';
import { MembershipMirror } from './membership-mirror.service.ts';
import type { Tenant } from './tenant.entity.ts';
import { ANSWER, type MembershipWord } from './tenant-facts.ts';

type Whole = Membership & { user: User; tenant: Tenant };
type Check = (em: EntityManager) => Promise<void>;

const WHOLE = ['user', 'tenant'] as const;
const LIVING = { endedAt: null, user: { deletedAt: null }, tenant: { deletedAt: null } };

/** Who belongs to a tenant: read from our copy, changed at Clerk. */
@Injectable()
export class MembersService {
  constructor(
    private readonly em: EntityManager,
    private readonly clerk: ClerkOrganizations,
    private readonly mirror: MembershipMirror,
  ) {}

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
    const membership = await this.#change(tenant.id, userId, check, { keepsAdmin: role === ADMIN }, async (whole) => ({
      answer: await this.clerk.changeRole(whole.tenant.clerkId, whole.user.clerkId, role),
      word: { eventId: ANSWER },
    }));
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
    await this.#change(tenantId, userId, check, { keepsAdmin: false }, async ({ tenant, user }) => {
      const answer = await this.clerk.removeMember(tenant.clerkId, user.clerkId);
      return { answer, word: { eventId: ANSWER, endedAt: Math.max(answer.updated_at ?? 0, Date.now()) } };
    });
  }

  /** Checks and notes what is wanted, asks Clerk without a transaction, and mirrors its answer. */
  async #change(
    tenantId: string,
    userId: string,
    check: Check,
    { keepsAdmin }: { keepsAdmin: boolean },
    ask: (membership: Whole) => Promise<{ answer: ClerkMembership; word: MembershipWord }>,
  ): Promise<Whole> {
    const membership = await asTenant(this.em, tenantId, async (em) => {
      await check(em);
      const found = await this.#find(em, tenantId, userId);
      if (!keepsAdmin) await withdrawAdmin(em, found);
      return found;
    });
    try {
      const { answer, word } = await ask(membership);
      await transaction(this.em.fork(), (em) => this.mirror.mirror(em, answer, word));
    } catch (error) {
      // an unknown outcome keeps the mark until it lapses
      if (error instanceof Problem && error.code !== 'unavailable')
        await asTenant(this.em, tenantId, (em) => keepAdmin(em, membership));
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
