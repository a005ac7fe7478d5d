import { newId } from './ids.ts';
import { type InviterData, inviterData } from './membership.ts';
import type { OrganizationRow } from './organization.ts';
import type { LocalUser } from './people.ts';
import { ROLES, type RoleKey } from './roles.ts';

const DAY_MS = 86_400_000;
const LIFETIME_MS = 30 * DAY_MS;

export const INVITATION_STATUSES = ['pending', 'accepted', 'revoked', 'expired'] as const;
type InvitationStatus = (typeof INVITATION_STATUSES)[number];

/** An invitation in the shape of Clerk's Backend API (2026-05-12); times in milliseconds. */
export interface LocalInvitation extends InvitationRow {
  object: 'organization_invitation';
  role_name: string;
  url: string;
  public_inviter_data: InviterData | null;
}

/** What is kept of an invitation: that it is pending, though it may have expired. */
export interface InvitationRow {
  id: string;
  organization_id: string;
  email_address: string;
  role: RoleKey;
  status: InvitationStatus;
  inviter_id: string | null;
  public_metadata: object;
  private_metadata: object;
  expires_at: number;
  created_at: number;
  updated_at: number;
}

export type InvitationFacts = Partial<InvitationRow> &
  Pick<InvitationRow, 'organization_id' | 'email_address' | 'role'> & { expires_in_days?: number };

/** An invitation as it is sent. */
export function anInvitation({ expires_in_days: days, ...facts }: InvitationFacts): InvitationRow {
  const now = Date.now();
  return {
    id: newId('orginv'),
    status: 'pending',
    inviter_id: null,
    public_metadata: {},
    private_metadata: {},
    expires_at: now + (days ? days * DAY_MS : LIFETIME_MS),
    created_at: now,
    updated_at: now,
    ...facts,
  };
}

export function shownInvitation(row: InvitationRow, inviter: LocalUser | undefined): LocalInvitation {
  return {
    object: 'organization_invitation',
    ...row,
    role_name: ROLES[row.role].name,
    status: statusOf(row),
    url: `https://accounts.example.com/accept-invitation?ticket=${row.id}`,
    public_inviter_data: inviter ? inviterData(inviter) : null,
  };
}

export function statusOf({ status, expires_at: expiresAt }: InvitationRow): InvitationStatus {
  return status === 'pending' && expiresAt <= Date.now() ? 'expired' : status;
}

/** What an event of an invitation carries; `user_id` where it was accepted. */
export function invitationEvent(
  invitation: LocalInvitation,
  organization: OrganizationRow,
  more: { user_id?: string },
) {
  return { ...invitation, ...more, data: { public_organization_data: publicOrganizationData(organization) } };
}

/** What an invited person may see of the organization. */
export function publicOrganizationData({ id, name, slug, image_url, has_image }: OrganizationRow) {
  return { id, name, slug, image_url, has_image };
}
