import { notFound } from './answers.ts';

export type RoleKey = 'org:admin' | 'org:member';

export const ROLES: Record<RoleKey, { name: string; permissions: string[] }> = {
  'org:admin': {
    name: 'Admin',
    permissions: [
      'org:sys_profile:manage',
      'org:sys_profile:delete',
      'org:sys_memberships:read',
      'org:sys_memberships:manage',
      'org:sys_domains:read',
      'org:sys_domains:manage',
      'org:sys_billing:read',
      'org:sys_billing:manage',
      'org:projects:read',
      'org:projects:write',
    ],
  },
  'org:member': {
    name: 'Member',
    permissions: ['org:sys_memberships:read', 'org:sys_billing:read', 'org:projects:read'],
  },
};

/** The role of that key, or a refusal as Clerk gives it. */
export function knownRole(key: string): RoleKey {
  if (!Object.hasOwn(ROLES, key)) throw notFound('Organization role not found', { param_name: 'role' });
  return key as RoleKey;
}
