import { EntityManager } from '@mikro-orm/postgresql';
import { Injectable } from '@nestjs/common';
import { type ClerkInvitation, ClerkOrganizations } from '../clerk/index.ts';
import { asTenant, transaction } from '../database/index.ts';
import { type ListQuery, listPage, Problem } from '../http/index.ts';
import type { User } from '../users/index.ts';
import { requireAdmin } from './admins.ts';
import { Invitation } from './invitation.entity.ts';
import { InvitationMirror } from './invitation-mirror.service.ts';
import type { Tenant } from './tenant.entity.ts';
import { ANSWER, factsOfInvitation } from './tenant-facts.ts';
import type { NewInvitation } from './tenants.schemas.ts';

/** Who was asked to join a tenant: read from our copy, changed at Clerk, which sends the mail. For its admins. */
@Injectable()
export class InvitationsService {
  constructor(
    private readonly em: EntityManager,
    private readonly clerk: ClerkOrganizations,
    private readonly mirror: InvitationMirror,
  ) {}

  async list(query: ListQuery) {
    return transaction(this.em, (em) => listPage(em, Invitation, {}, query));
  }

  async invite(tenant: Tenant, admin: User, { email, role }: NewInvitation): Promise<Invitation> {
    await transaction(this.em, (em) => requireAdmin(em, { tenantId: tenant.id, userId: admin.id }));
    const answer = await this.clerk.invite(tenant.clerkId, { email, role, inviterUserId: admin.clerkId });
    return this.#apply(tenant, answer);
  }

  /** Throws `conflict` when it is pending no more. */
  async revoke(tenant: Tenant, admin: User, id: string): Promise<void> {
    const invitation = await transaction(this.em, async (em) => {
      await requireAdmin(em, { tenantId: tenant.id, userId: admin.id });
      return em.findOne(Invitation, { id });
    });
    if (!invitation) throw new Problem('not_found');
    if (invitation.status !== 'pending')
      throw new Problem('conflict', { detail: `The invitation is ${invitation.status} already.` });
    const answer = await this.clerk.revokeInvitation(tenant.clerkId, invitation.clerkId, admin.clerkId);
    await this.#apply(tenant, { ...answer, status: 'revoked' });
  }

  async #apply(tenant: Tenant, answer: ClerkInvitation): Promise<Invitation> {
    await transaction(this.em.fork(), (em) =>
      this.mirror.mirror(em, tenant.clerkId, factsOfInvitation(answer, ANSWER)),
    );
    return asTenant(this.em, tenant.id, (em) => em.findOneOrFail(Invitation, { clerkId: answer.id }));
  }
}
