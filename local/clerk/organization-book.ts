import { notFound, Refusal } from './answers.ts';
import { GroupedList } from './grouped-list.ts';
import { type InvitationRow, type LocalInvitation, shownInvitation, statusOf } from './invitation.ts';
import { type LocalMembership, type MembershipRow, shownMembership } from './membership.ts';
import type { LocalOrganization, OrganizationRow } from './organization.ts';
import { OrganizationList, organizationTests } from './organization-list.ts';
import type { UserList } from './user-list.ts';

export interface MembershipFilter {
  userIds?: string[];
  roles?: string[];
}

export interface InvitationFilter {
  statuses?: string[];
  email?: string;
  /** A part of the address. */
  query?: string;
}

/** The organizations, who is in them and who is invited, as they stand: what is put in here is told to nobody. */
export class OrganizationBook {
  readonly organizations = new OrganizationList(
    organizationTests((organizationId, userId) => this.between(organizationId, userId) !== undefined),
  );
  readonly memberships = new GroupedList(membershipTests, ['organization_id', 'user_id']);
  readonly invitations = new GroupedList(invitationTests, ['organization_id']);
  readonly users: UserList;

  constructor(users: UserList) {
    this.users = users;
  }

  /** The organization, by its id or slug, or a refusal as Clerk gives it. */
  organization(idOrSlug: string): OrganizationRow {
    const found = this.organizations.get(idOrSlug) ?? this.organizations.bySlug(idOrSlug);
    if (!found) throw notFound('Given organization not found.');
    return found;
  }

  membership(organizationId: string, userId: string): MembershipRow {
    const found = this.between(this.organization(organizationId).id, userId);
    if (!found) throw notFound('No such membership');
    return found;
  }

  invitation(organizationId: string, id: string): InvitationRow {
    const found = this.invitations.of('organization_id', this.organization(organizationId).id).get(id);
    if (!found) throw new Refusal(404, 'organization_invitation_not_found', `No invitation found with id ${id}.`);
    return found;
  }

  between(organizationId: string, userId: string): MembershipRow | undefined {
    const [members, own] = [this.membersOf(organizationId), this.membershipsOf(userId)];
    return own.size < members.size
      ? own.find((membership) => membership.organization_id === organizationId)
      : members.find((membership) => membership.user_id === userId);
  }

  membersOf(organizationId: string) {
    return this.memberships.of('organization_id', organizationId);
  }

  membershipsOf(userId: string) {
    return this.memberships.of('user_id', userId);
  }

  invitationsOf(organizationId: string) {
    return this.invitations.of('organization_id', organizationId);
  }

  showOrganization(row: OrganizationRow): LocalOrganization {
    return {
      ...row,
      members_count: this.membersOf(row.id).size,
      pending_invitations_count: this.invitationsOf(row.id).count({ statuses: ['pending'] }),
    };
  }

  showMembership(row: MembershipRow): LocalMembership {
    const organization = this.showOrganization(this.organization(row.organization_id));
    return shownMembership(row, organization, this.users.known(row.user_id));
  }

  showInvitation(row: InvitationRow): LocalInvitation {
    return shownInvitation(row, row.inviter_id === null ? undefined : this.users.get(row.inviter_id));
  }
}

function membershipTests({ userIds, roles }: MembershipFilter) {
  return [
    userIds && ((membership: MembershipRow) => userIds.includes(membership.user_id)),
    roles && ((membership: MembershipRow) => roles.includes(membership.role)),
  ].filter((test) => typeof test === 'function');
}

function invitationTests({ statuses, email, query }: InvitationFilter) {
  const [address, part] = [email?.toLowerCase(), query?.toLowerCase()];
  return [
    statuses && ((invitation: InvitationRow) => statuses.includes(statusOf(invitation))),
    address && ((invitation: InvitationRow) => invitation.email_address.toLowerCase() === address),
    part && ((invitation: InvitationRow) => invitation.email_address.toLowerCase().includes(part)),
  ].filter((test) => typeof test === 'function');
}
