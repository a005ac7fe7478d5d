import type { EntityManager } from '@mikro-orm/postgresql';
import { Injectable } from '@nestjs/common';
import { type ClerkEvent, InEventTransaction, OnClerkEvent } from '../clerk/index.ts';
import { InvitationMirror } from './invitation-mirror.service.ts';
import { MembershipMirror } from './membership-mirror.service.ts';
import { factsOfClaim, factsOfInvitation, factsOfOrganization } from './tenant-facts.ts';
import { TenantMirror } from './tenant-mirror.service.ts';

type Told = 'organization.created' | 'organization.updated';
type Joined = 'organizationMembership.created' | 'organizationMembership.updated';
type Invited = 'organizationInvitation.created' | 'organizationInvitation.accepted' | 'organizationInvitation.revoked';

/** Keeps our copy of organizations, memberships and invitations right, in whatever order their events come. */
@Injectable()
export class TenantEvents {
  constructor(
    private readonly tenants: TenantMirror,
    private readonly memberships: MembershipMirror,
    private readonly invitations: InvitationMirror,
  ) {}

  @InEventTransaction()
  @OnClerkEvent('organization.created', 'organization.updated')
  async change({ id, at, data }: ClerkEvent<Told>, em: EntityManager) {
    await this.tenants.mirror(em, { ...factsOfOrganization(data, id), updatedAt: at });
  }

  @InEventTransaction()
  @OnClerkEvent('organization.deleted')
  async delete({ id, at, data }: ClerkEvent<'organization.deleted'>, em: EntityManager) {
    await this.tenants.delete(em, { clerkId: data.id, deletedAt: at, eventId: id });
  }

  @InEventTransaction()
  @OnClerkEvent('organizationMembership.created', 'organizationMembership.updated')
  async join({ id, at, data }: ClerkEvent<Joined>, em: EntityManager) {
    await this.memberships.mirror(em, data, { eventId: id, at });
  }

  /** The time of the membership may be long before its end. */
  @InEventTransaction()
  @OnClerkEvent('organizationMembership.deleted')
  async leave({ id, at, sentAt, data }: ClerkEvent<'organizationMembership.deleted'>, em: EntityManager) {
    await this.memberships.mirror(em, data, { eventId: id, at, endedAt: Math.max(at, sentAt) });
  }

  @InEventTransaction()
  @OnClerkEvent('organizationInvitation.created', 'organizationInvitation.accepted', 'organizationInvitation.revoked')
  async invite({ id, type, at, data }: ClerkEvent<Invited>, em: EntityManager) {
    const facts = factsOfInvitation({ ...data, status: data.status ?? statusOf(type) }, id);
    await this.invitations.lockAcceptor(em, facts);
    await this.tenants.mirror(em, factsOfClaim({ clerkId: data.organization_id, slug: null }));
    await this.invitations.mirror(em, data.organization_id, { ...facts, updatedAt: at });
  }
}

function statusOf(type: Invited): string {
  const [, verb = ''] = type.split('.');
  return verb === 'created' ? 'pending' : verb;
}
