import { newId } from './ids.ts';
import type { LocalOrganization } from './organization.ts';
import type { LocalUser } from './people.ts';
import { ROLES, type RoleKey } from './roles.ts';

/** A membership in the shape of Clerk's Backend API (2026-05-12); times in milliseconds. */
export interface LocalMembership {
  object: 'organization_membership';
  id: string;
  role: RoleKey;
  role_name: string;
  permissions: string[];
  public_metadata: object;
  private_metadata: object;
  organization: LocalOrganization;
  public_user_data: PublicUserData;
  created_at: number;
  updated_at: number;
}

interface PublicUserData extends InviterData {
  profile_image_url: string;
  username: string | null;
  banned: boolean;
}

/** What others in an organization see of a user. */
export interface InviterData {
  user_id: string;
  first_name: string | null;
  last_name: string | null;
  image_url: string;
  has_image: boolean;
  identifier: string;
}

/** What is kept of a membership. */
export interface MembershipRow {
  id: string;
  organization_id: string;
  user_id: string;
  role: RoleKey;
  public_metadata: object;
  private_metadata: object;
  created_at: number;
  updated_at: number;
}

export type MembershipFacts = Partial<MembershipRow> & Pick<MembershipRow, 'organization_id' | 'user_id' | 'role'>;

/** A membership that begins now. */
export function aMembership(facts: MembershipFacts): MembershipRow {
  const now = Date.now();
  const id = newId('orgmem');
  return { id, public_metadata: {}, private_metadata: {}, created_at: now, updated_at: now, ...facts };
}

export function shownMembership(
  { organization_id: _, user_id: __, ...row }: MembershipRow,
  organization: LocalOrganization,
  user: LocalUser,
): LocalMembership {
  const { name, permissions } = ROLES[row.role];
  return {
    object: 'organization_membership',
    ...row,
    role_name: name,
    permissions: [...permissions],
    organization,
    public_user_data: {
      ...inviterData(user),
      profile_image_url: user.image_url,
      username: user.username,
      banned: user.banned,
    },
  };
}

export function inviterData(user: LocalUser): InviterData {
  return {
    user_id: user.id,
    first_name: user.first_name,
    last_name: user.last_name,
    image_url: user.image_url,
    has_image: user.has_image,
    identifier: identifierOf(user),
  };
}

function identifierOf({ email_addresses: emails, primary_email_address_id: primary, username }: LocalUser): string {
  return emails.find(({ id }) => id === primary)?.email_address ?? username ?? '';
}
