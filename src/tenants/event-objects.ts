import type { EntityManager } from '@mikro-orm/postgresql';
import type { EventObject } from '../clerk/index.ts';
import { asTenant } from '../database/index.ts';

type Fields = Record<string, unknown>;

const BATCH = 5000;
const FIRST = '00000000-0000-0000-0000-000000000000';

/** A membership or an invitation as our copy has it, in the fields of Clerk's events; null: it is not here. */
export async function fieldsOf(em: EntityManager, { kind, id, organizationId }: EventObject): Promise<Fields | null> {
  const select = kind === 'organizationMembership' ? MEMBERSHIP : kind === 'organizationInvitation' ? INVITATION : null;
  if (!select) return null;
  const tenant = organizationId ? await named(em, organizationId) : await tenantHaving(em, kind, id);
  if (!tenant) return null;
  const [row] = await asTenant(em, tenant, (own) => own.execute<{ fields: Fields }[]>(select, [tenant, id]));
  return row?.fields ?? null;
}

async function named(em: EntityManager, organizationId: string): Promise<string | undefined> {
  const [tenant] = await em.execute<{ id: string }[]>('select id from tenants where clerk_id = ?', [organizationId]);
  return tenant?.id;
}

/** In statements that are short, however many tenants there are. */
async function tenantHaving(em: EntityManager, kind: string, id: string): Promise<string | undefined> {
  let last: string | undefined = FIRST;
  while (last !== undefined) {
    const [found]: Found[] = await em.execute<Found[]>(HAVING, [kind, id, last, BATCH]);
    if (found?.having_it) return found.having_it;
    last = found?.last_tenant ?? undefined;
  }
  return undefined;
}

interface Found {
  having_it: string | null;
  last_tenant: string | null;
}

const HAVING = 'select having_it, last_tenant from tenant_having(?, ?, ?, ?)';

const MEMBERSHIP = `
select json_build_object(
  'role', role, 'created_at', clerk_created_at,
  'organization', json_build_object('id', tenants.clerk_id), 'public_user_data', json_build_object('user_id', users.clerk_id)
) as fields
from memberships join tenants on tenants.id = tenant_id join users on users.id = user_id
where tenant_id = ? and memberships.clerk_id = ?`;

const INVITATION = `
select json_build_object(
  'organization_id', tenants.clerk_id, 'email_address', email, 'role', role,
  'created_at', (extract(epoch from invitations.created_at) * 1000)::bigint,
  'expires_at', (extract(epoch from expires_at) * 1000)::bigint
) as fields
from invitations join tenants on tenants.id = tenant_id
where tenant_id = ? and invitations.clerk_id = ?`;
