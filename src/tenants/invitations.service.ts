import { EntityManager } from '@mikro-orm/postgresql';
import { Injectable } from '@nestjs/common';
import { type HeldSeat, LocalEntitlements } from '../auth/index.ts';
import { type ClerkInvitation, ClerkOrganizations, hadNoEffect } from '../clerk/index.ts';
import { asTenant, transaction } from '../database/index.ts';
import { type ListQuery, listPage, Problem } from '../http/index.ts';
import type { User } from '../users/index.ts';
import { requireAdmin } from './admins.ts';
import { comparableAddress, isInternationalized } from './email-address.ts';
import { Invitation } from './invitation.entity.ts';
import { InvitationMirror } from './invitation-mirror.service.ts';
import { Membership } from './membership.entity.ts';
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
    private readonly entitlements: LocalEntitlements,
  ) {}

  async list(query: ListQuery) {
    return transaction(this.em, (em) => listPage(em, Invitation, {}, query));
  }

  async invite(tenant: Tenant, admin: User, { email, role }: NewInvitation): Promise<Invitation> {
    await transaction(this.em, async (em) => {
      await requireAdmin(em, { tenantId: tenant.id, userId: admin.id });
      await refuseOtherSpelling(em, tenant.id, email);
    });
    const seat = await this.entitlements.holdSeat(tenant, (em) => seatsTaken(em, tenant.id));
    try {
      const answer = await this.clerk.invite(tenant.clerkId, { email, role, inviterUserId: admin.clerkId });
      return await this.#apply(tenant, answer, seat);
    } catch (error) {
      // after an unknown outcome it is held until it lapses: the invitation may be out
      if (error instanceof Problem && hadNoEffect(error)) await seat.letGo(this.em.fork());
      throw error;
    }
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

  async #apply(tenant: Tenant, answer: ClerkInvitation, seat?: HeldSeat): Promise<Invitation> {
    await transaction(this.em.fork(), async (em) => {
      await seat?.letGo(em);
      await this.mirror.mirror(em, tenant.clerkId, factsOfInvitation(answer, ANSWER));
    });
    const invitation = await asTenant(this.em, tenant.id, (em) => em.findOne(Invitation, { clerkId: answer.id }));
    // of a tenant that was deleted meanwhile nothing is kept
    if (!invitation) throw new Problem('token_revoked');
    return invitation;
  }
}

/** An invitation by a mail that is out. */
const isOut = () => ({ status: 'pending' as const, $or: [{ expiresAt: null }, { expiresAt: { $gt: new Date() } }] });

/** Of an address in the same spelling Clerk says itself that it is invited already. */
async function refuseOtherSpelling(em: EntityManager, tenantId: string, email: string): Promise<void> {
  if (!isInternationalized(email)) return;
  const invited = await em.find(Invitation, { tenantId, ...isOut() }, { fields: ['email'] });
  const address = comparableAddress(email);
  if (invited.some((other) => comparableAddress(other.email) === address))
    throw new Problem('conflict', { detail: 'The person is invited already.' });
}

/** Members, and who may become one by a mail that is out. The caller sees own memberships in other tenants, too. */
async function seatsTaken(em: EntityManager, tenantId: string): Promise<number> {
  const isMember = { tenantId, endedAt: null, user: { deletedAt: null } };
  return (await em.count(Membership, isMember)) + (await em.count(Invitation, { tenantId, ...isOut() }));
}
