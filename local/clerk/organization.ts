import { newId } from './ids.ts';

/** An organization in the shape of Clerk's Backend API (2026-05-12); times in milliseconds. */
export interface LocalOrganization {
  object: 'organization';
  id: string;
  name: string;
  slug: string;
  image_url: string;
  has_image: boolean;
  members_count: number;
  pending_invitations_count: number;
  /** 0: as many as want. */
  max_allowed_memberships: number;
  admin_delete_enabled: boolean;
  public_metadata: object;
  private_metadata: object;
  /** Absent: by nobody. */
  created_by?: string;
  role_set_key: string | null;
  created_at: number;
  updated_at: number;
}

/** What is kept of it; the rest is counted. */
export type OrganizationRow = Omit<LocalOrganization, 'members_count' | 'pending_invitations_count'>;

export type OrganizationFacts = Partial<Omit<OrganizationRow, 'object'>> & { name: string };

/** An organization with Clerk's defaults. */
export function anOrganization({ id = newId('org'), ...facts }: OrganizationFacts): OrganizationRow {
  const now = Date.now();
  return {
    object: 'organization',
    id,
    slug: `${slugOf(facts.name)}-${id.slice(-6).toLowerCase()}`,
    image_url: `https://img.clerk.com/${id}`,
    has_image: false,
    max_allowed_memberships: 0,
    admin_delete_enabled: true,
    public_metadata: {},
    private_metadata: {},
    role_set_key: null,
    created_at: now,
    updated_at: now,
    ...facts,
  };
}

/** What Clerk says of an organization that is no more. */
export function deletedOrganization({ id, slug }: { id: string; slug?: string }): object {
  return { object: 'organization', id, ...(slug && { slug }), deleted: true };
}

function slugOf(name: string): string {
  const words = name.toLowerCase().match(/[a-z0-9]+/g) ?? ['organization'];
  return words.join('-');
}
