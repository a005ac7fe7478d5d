/** Organizations and memberships for the drill of the reconcile command. */
import type { Client } from 'pg';
import { aMembership } from '../local/clerk/membership.ts';
import { anOrganization } from '../local/clerk/organization.ts';
import type { LocalUser } from '../local/clerk/people.ts';
import type { TestClerk } from '../test/support/clerk.ts';

export const TENANT_DRIFT = { missing: 20, stale: 100, orphans: 3, deletedHere: 2 };
export const MEMBERSHIP_DRIFT = { missing: 300, stale: 200, orphans: 5, endedHere: 3 };
const CREATED = Date.UTC(2026, 1, 1);

/**
 * Memberships one after the other in different organizations: the worst case for who reads them by tenant. The last user has
 * none.
 */
export function sowOrganizations(
  clerk: TestClerk,
  users: LocalUser[],
  organizations: number,
  memberships: number,
): void {
  const { book } = clerk.organizations;
  const times = (index: number) => ({ created_at: CREATED + index * 10, updated_at: CREATED + index * 10 });
  const ids = Array.from({ length: organizations }, (_, index) => `org_drill${String(index).padStart(6, '0')}`);
  for (const [index, id] of ids.entries())
    book.organizations.add(anOrganization({ id, name: `Acme ${index}`, ...times(index) }));
  for (let index = 0; index < memberships; index++) {
    const organization = ids[(index * 7919) % organizations] ?? '';
    const user = users[(index * 31 + Math.floor(index / organizations)) % (users.length - 1)]?.id ?? '';
    const of = { organization_id: organization, user_id: user };
    book.memberships.add(aMembership({ ...of, role: 'org:member', ...times(organizations + index) }));
  }
}

/** Takes from our copy what events that were lost would have told; `lonely` has no membership. */
export async function spoilOrganizations(admin: Client, lonely: LocalUser | undefined): Promise<void> {
  const { missing, stale, orphans, deletedHere } = TENANT_DRIFT;
  const some = (from: number, to: number) =>
    `select id from tenants order by clerk_id offset ${from} limit ${to - from}`;
  await admin.query(`delete from memberships where tenant_id in (${some(0, missing)})`);
  await admin.query(`delete from tenants where id in (${some(0, missing)})`);
  await admin.query(`update tenants set name = 'Old' where id in (${some(0, stale)})`);
  await admin.query(`update tenants set deleted_at = updated_at where id in (${some(stale, stale + deletedHere)})`);
  await admin.query(
    `insert into tenants (id, clerk_id, clerk_updated_at, created_at, updated_at)
     select gen_random_uuid(), 'org_orphan' || n, 1, now() - interval '1 day', now() - interval '1 day'
     from generate_series(1, $1) as n`,
    [orphans],
  );
  await spoilMemberships(admin, lonely, stale + deletedHere);
}

async function spoilMemberships(admin: Client, lonely: LocalUser | undefined, from: number): Promise<void> {
  const { missing, stale, orphans, endedHere } = MEMBERSHIP_DRIFT;
  const living = `select memberships.id from memberships join tenants on tenants.id = tenant_id
    where tenants.clerk_id like 'org_drill%' and tenants.deleted_at is null order by tenants.clerk_id, memberships.id`;
  const some = (skipped: number, to: number) => `id in (${living} offset ${skipped} limit ${to - skipped})`;
  await admin.query(`update memberships set role = 'org:admin' where ${some(0, stale)}`);
  await admin.query(`update memberships set ended_at = updated_at where ${some(stale, stale + endedHere)}`);
  await admin.query(
    `insert into memberships (id, tenant_id, user_id, role, created_at, updated_at)
     select gen_random_uuid(), tenants.id, users.id, 'org:member', now() - interval '1 day', now() - interval '1 day'
     from tenants, users
     where users.clerk_id = $1 and tenants.id in (select id from tenants where clerk_id like 'org_drill%' and deleted_at is null
       order by clerk_id offset $2 limit $3)`,
    [lonely?.id, from, orphans],
  );
  await admin.query(`delete from memberships where ${some(10_000, 10_000 + missing)}`);
}

/** How many memberships live at Clerk alone, and here alone; none of what is deleted here. */
export async function membershipsAlone(admin: Client, clerk: TestClerk): Promise<{ there: number; here: number }> {
  const { rows } = await admin.query<{ key: string }>(
    `select tenants.clerk_id || '/' || users.clerk_id as key
     from memberships join tenants on tenants.id = tenant_id join users on users.id = user_id
     where ended_at is null and tenants.deleted_at is null`,
  );
  const gone = await admin.query<{ id: string }>('select clerk_id as id from tenants where deleted_at is not null');
  const isGone = new Set(gone.rows.map(({ id }) => id));
  const here = new Set(rows.map(({ key }) => key));
  const all = [...clerk.organizations.book.memberships.all.all()].filter((each) => !isGone.has(each.organization_id));
  const there = new Set(all.map(({ organization_id: organization, user_id: user }) => `${organization}/${user}`));
  return {
    there: [...there].filter((key) => !here.has(key)).length,
    here: [...here].filter((key) => !there.has(key)).length,
  };
}
