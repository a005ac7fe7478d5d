import { type Form, formOf } from './form.ts';
import type { NewInvitation } from './invitations.ts';
import type { NewMember } from './memberships.ts';
import type { OrganizationFacts } from './organization.ts';

const METADATA = { public_metadata: 'metadata', private_metadata: 'metadata' } as const;
const OF_ORGANIZATION = {
  name: 'name',
  slug: 'slug',
  max_allowed_memberships: 'count',
  role_set_key: 'text',
  created_at: 'time',
} as const;

/** What `POST /v1/organizations` may say. */
export function newOrganization(form: Form): OrganizationFacts {
  return formOf(form, { ...OF_ORGANIZATION, ...METADATA, created_by: 'text' }, ['name']);
}

/** What `PATCH /v1/organizations/{id}` may say: since 2026-05-12 no metadata. */
export function changedOrganization(form: Form): Partial<OrganizationFacts> {
  return formOf(form, { ...OF_ORGANIZATION, admin_delete_enabled: 'switch' });
}

export function newMember(form: Form): NewMember {
  return formOf(form, { user_id: 'text', role: 'text', ...METADATA }, ['user_id', 'role']);
}

export function changedRole(form: Form): string {
  return formOf(form, { role: 'text' }, ['role']).role;
}

/** No mail is sent, so where it would lead has no effect. */
export function newInvitation(form: Form): NewInvitation {
  const kinds = { email_address: 'email', role: 'text', inviter_user_id: 'text', expires_in_days: 'days' } as const;
  const withoutEffect = { redirect_url: 'text', notify: 'switch' } as const;
  const {
    redirect_url: _,
    notify: __,
    ...invitation
  } = formOf(form, { ...kinds, ...withoutEffect, ...METADATA }, ['email_address', 'role']);
  return invitation;
}

/** Who revokes an invitation. */
export function requestingUser(form: Form): string | undefined {
  return formOf(form, { requesting_user_id: 'text' }).requesting_user_id;
}

/** Who accepts an invitation. */
export function acceptingUser(form: Form): string | undefined {
  return formOf(form, { user_id: 'text' }).user_id;
}
