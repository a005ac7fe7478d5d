import { Refusal } from './answers.ts';
import type { Tell } from './events.ts';
import {
  anInvitation,
  type InvitationFacts,
  type InvitationRow,
  invitationEvent,
  type LocalInvitation,
  statusOf,
} from './invitation.ts';
import { aMembership } from './membership.ts';
import { refuseButAdmin, refuseFull, refuseInvited, refuseMember } from './membership-limits.ts';
import type { Memberships } from './memberships.ts';
import type { OrganizationBook } from './organization-book.ts';
import { knownRole } from './roles.ts';

export type NewInvitation = Pick<
  InvitationFacts,
  'email_address' | 'public_metadata' | 'private_metadata' | 'expires_in_days'
> & {
  role: string;
  inviter_user_id?: string;
};

/** Who is invited into which organization, and what can be done about it; every change is told as Clerk's event. */
export class Invitations {
  readonly #book: OrganizationBook;
  readonly #memberships: Memberships;
  readonly #tell: Tell;

  constructor(book: OrganizationBook, memberships: Memberships, tell: Tell) {
    this.#book = book;
    this.#memberships = memberships;
    this.#tell = tell;
  }

  get(organizationId: string, id: string): LocalInvitation {
    return this.#book.showInvitation(this.#book.invitation(organizationId, id));
  }

  /** The invitation while it can be revoked and accepted. */
  pending(organizationId: string, id: string): InvitationRow {
    const invitation = this.#book.invitation(organizationId, id);
    if (statusOf(invitation) !== 'pending')
      throw new Refusal(
        404,
        'organization_invitation_not_pending',
        "The organization invitation is not in the 'pending' status.",
      );
    return invitation;
  }

  create(organizationId: string, { inviter_user_id: inviterId, role, ...facts }: NewInvitation): LocalInvitation {
    const organization = this.#book.organization(organizationId);
    const key = knownRole(role);
    if (inviterId !== undefined) refuseButAdmin(this.#book, organization, inviterId);
    refuseInvited(this.#book, organization, facts.email_address);
    refuseFull(this.#book, organization);
    const of = { organization_id: organization.id, inviter_id: inviterId ?? null };
    const invitation = anInvitation({ ...facts, ...of, role: key });
    this.#book.invitations.add(invitation);
    return this.#told('created', invitation);
  }

  /** By this administrator, where one is given. */
  revoke(organizationId: string, id: string, userId?: string): LocalInvitation {
    const invitation = this.pending(organizationId, id);
    if (userId !== undefined) refuseButAdmin(this.#book, this.#book.organization(organizationId), userId);
    return this.#end(invitation, 'revoked');
  }

  /** The user becomes a member, with the role and the metadata of the invitation. */
  accept(organizationId: string, id: string, userId: string): LocalInvitation {
    const invitation = this.pending(organizationId, id);
    const organization = this.#book.organization(organizationId);
    const user = this.#book.users.known(userId);
    refuseMember(this.#book, organization, user.id);
    refuseFull(this.#book, organization, { isInvited: true });
    const { role, public_metadata, private_metadata } = invitation;
    const accepted = this.#end(invitation, 'accepted', { user_id: user.id });
    const of = { organization_id: organization.id, user_id: user.id };
    this.#memberships.begin(aMembership({ ...of, role, public_metadata, private_metadata }));
    return accepted;
  }

  #end(invitation: InvitationRow, status: 'accepted' | 'revoked', more: { user_id?: string } = {}): LocalInvitation {
    const updatedAt = Math.max(Date.now(), invitation.updated_at + 1);
    this.#book.invitations.change(invitation, { status, updated_at: updatedAt });
    return this.#told(status, invitation, more);
  }

  #told(
    what: 'created' | 'accepted' | 'revoked',
    invitation: InvitationRow,
    more: { user_id?: string } = {},
  ): LocalInvitation {
    const shown = this.#book.showInvitation(invitation);
    const organization = this.#book.organization(invitation.organization_id);
    this.#tell(`organizationInvitation.${what}`, invitationEvent(shown, organization, more));
    return shown;
  }
}
