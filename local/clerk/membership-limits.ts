import { Refusal } from './answers.ts';
import { statusOf } from './invitation.ts';
import type { OrganizationRow } from './organization.ts';
import type { OrganizationBook } from './organization-book.ts';

export function refuseMember(book: OrganizationBook, { id }: OrganizationRow, userId: string): void {
  if (book.between(id, userId))
    throw new Refusal(
      400,
      'already_a_member_in_organization',
      `User ${userId} is already a member of the organization.`,
    );
}

/** Whoever has that address is in the organization, or invited already. */
export function refuseInvited(book: OrganizationBook, organization: OrganizationRow, email: string): void {
  const known = book.users.withEmail(email);
  if (known) refuseMember(book, organization, known.id);
  const isSame = (address: string) => address.toLowerCase() === email.toLowerCase();
  const pending = book
    .invitationsOf(organization.id)
    .find((invitation) => statusOf(invitation) === 'pending' && isSame(invitation.email_address));
  if (pending)
    throw new Refusal(400, 'duplicate_record', `There are already pending invitations for ${email}`, {
      email_addresses: [email],
    });
}

export function refuseButAdmin(book: OrganizationBook, { id }: OrganizationRow, userId: string): void {
  if (book.between(id, userId)?.role !== 'org:admin')
    throw new Refusal(
      403,
      'not_an_admin_in_organization',
      'Current user is not an administrator in the organization. Only administrators can perform this action.',
    );
}

/** One more would be too many; who is invited counts, unless it is who comes. */
export function refuseFull(
  book: OrganizationBook,
  { id, max_allowed_memberships: max }: OrganizationRow,
  { isInvited } = { isInvited: false },
): void {
  const invited = isInvited ? 0 : book.invitationsOf(id).count({ statuses: ['pending'] });
  if (max > 0 && book.membersOf(id).size + invited >= max)
    throw new Refusal(
      403,
      'organization_membership_quota_exceeded',
      `You have reached your limit of ${max} organization memberships, including outstanding invitations.`,
    );
}
