import { clerkTimeSql } from '../clerk/index.ts';

/**
 * Rows are ordered by which membership of the pair they show, whether it has ended, and Clerk's time of that; so order,
 * duplicates and losses do not matter. What is told of a deleted tenant has ended. An admin who is asked to go stays marked
 * until that has come true.
 */
export const MIRROR = `
with told as (
  select ?::uuid as id, ?::uuid as tenant_id, ?::uuid as user_id, ?::text as clerk_id, ?::text as role,
         ?::bigint as made, ?::bigint as said, ?::bigint as ended, ?::text as event_id
), facts as (
  select told.*, ${clerkTimeSql('made')} as made_at, ${clerkTimeSql('said')} as said_at,
         coalesce(to_timestamp(${clerkTimeSql('ended')} / 1000.0), tenants.deleted_at) as ended_at
  from told join tenants on tenants.id = told.tenant_id
), before as (
  select role from memberships
  where (tenant_id, user_id) = (select tenant_id, user_id from told) for update
)
insert into memberships as stored (id, tenant_id, user_id, clerk_id, role, ended_at, clerk_created_at,
                   clerk_updated_at, clerk_event_id)
select id, tenant_id, user_id, clerk_id, facts.role, ended_at, made_at, said_at, event_id
from facts left join before on true -- so that it is read before it is written
on conflict (tenant_id, user_id) do update set
  clerk_id = excluded.clerk_id, role = excluded.role, ended_at = excluded.ended_at,
  leaving_since = case when excluded.ended_at is null and excluded.role = stored.role then stored.leaving_since end,
  clerk_created_at = excluded.clerk_created_at, clerk_updated_at = excluded.clerk_updated_at,
  clerk_event_id = excluded.clerk_event_id, updated_at = now()
where (stored.clerk_created_at, coalesce(stored.clerk_id, '') collate "C", stored.ended_at is not null,
       stored.clerk_updated_at, stored.clerk_event_id collate "C")
    < (excluded.clerk_created_at, excluded.clerk_id collate "C", excluded.ended_at is not null,
       excluded.clerk_updated_at, excluded.clerk_event_id collate "C")
returning (xmax = 0) as inserted, (select role from before) as role_before`;

export const LATER_ROLE =
  'select clerk_updated_at as at from memberships where tenant_id = ? and user_id = ? and clerk_id = ? and role <> ?';

const END = `
update memberships set ended_at = to_timestamp(?::bigint / 1000.0), leaving_since = null, clerk_updated_at = ?,
  clerk_event_id = ?, updated_at = now()
where tenant_id = ? and user_id = ? and ended_at is null`;

export const END_UNTOUCHED = `${END} and updated_at < ? returning 1`;

export const END_NAMED = `${END} and clerk_id is not distinct from ? returning 1`;

export const REVIVE = `
update memberships set ended_at = null, clerk_updated_at = 0, clerk_event_id = ''
where tenant_id = ? and user_id = ? and clerk_id = ? and ended_at is not null
  and exists (select from tenants where tenants.id = tenant_id and deleted_at is null) returning 1`;

/**
 * After an end the row shows a later membership, which has no name yet, so that nothing more of the last one counts. Within the
 * clock skew after an end a token may be from before it, since who issued it may be ahead of who told of the end.
 */
export const MEET = `
with told as (select ?::uuid as id, ?::text as role, ?::uuid as user_id, ?::uuid as tenant_id)
insert into memberships as stored (id, tenant_id, user_id, role)
select told.id, tenants.id, users.id, told.role
from told join users on users.id = told.user_id join tenants on tenants.id = told.tenant_id
where users.deleted_at is null and tenants.deleted_at is null
for share of users, tenants
on conflict (tenant_id, user_id) do update set
  role = excluded.role, ended_at = null, clerk_id = null, leaving_since = null, clerk_updated_at = 0, clerk_event_id = '',
  clerk_created_at = stored.clerk_created_at + 1, updated_at = now()
where stored.ended_at + ? * interval '1 millisecond' < to_timestamp(?)
returning (xmax = 0) as inserted`;
