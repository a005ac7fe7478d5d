import type { EntityManager } from '@mikro-orm/postgresql';
import type { ClerkMembership } from '../clerk/index.ts';

/** Clerk's ids. */
export interface Pair {
  userId: string;
  tenantId: string;
}

interface Owner {
  id: string;
  clerk_id: string;
  is_deleted: boolean;
}

export function pairOf({ organization, public_user_data: user }: ClerkMembership): Pair {
  return { tenantId: organization.id, userId: user.user_id };
}

/** Without the metadata, which may be long. */
export function essentialsOf({ id, role, created_at, updated_at, ...of }: ClerkMembership): ClerkMembership {
  const { user_id, first_name, last_name, image_url, username } = of.public_user_data;
  const { name, slug, max_allowed_memberships, created_by, ...organization } = of.organization;
  return {
    id,
    role,
    created_at,
    updated_at,
    public_user_data: { user_id, first_name, last_name, image_url, username },
    organization: {
      id: organization.id,
      name,
      slug,
      max_allowed_memberships,
      created_by,
      image_url: organization.image_url,
      updated_at: organization.updated_at,
    },
  };
}

/** `org_…/user_…`; of one tenant they follow each other in order. */
export function keyOfPair({ tenantId, userId }: Pair): string {
  return `${tenantId}/${userId}`;
}

export function pairOfKey(key: string): Pair {
  const [tenantId = '', userId = ''] = key.split('/');
  return { tenantId, userId };
}

/** The users and tenants of pairs; locked ones stay as they are until the commit. */
export async function ownersOf(em: EntityManager, pairs: Pair[], { lock }: { lock: boolean }) {
  const find = async (table: string, ids: string[]) =>
    em.execute<Owner[]>(
      `select id, clerk_id, deleted_at is not null as is_deleted from ${table}
       where clerk_id = any(?::text[]) order by clerk_id ${lock ? 'for no key update' : ''}`,
      [`{${ids.join(',')}}`],
    );
  const users = await find(
    'users',
    pairs.map(({ userId }) => userId),
  );
  return {
    users,
    tenants: await find(
      'tenants',
      pairs.map(({ tenantId }) => tenantId),
    ),
  };
}
