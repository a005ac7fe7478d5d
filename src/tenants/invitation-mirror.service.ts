import type { EntityManager } from '@mikro-orm/postgresql';
import { Injectable } from '@nestjs/common';
import { v7 as uuidv7 } from 'uuid';
import { clerkTimeSql } from '../clerk/index.ts';
import { asTenant } from '../database/index.ts';
import type { InvitationFacts } from './tenant-facts.ts';

/** The one way in which Clerk's invitations reach our table. Nobody remembers them, so nothing is announced. */
@Injectable()
export class InvitationMirror {
  /**
   * Locks who accepted it, if anybody: before the tenant, as events of memberships do, or an event of each would wait for the
   * other.
   */
  async lockAcceptor(em: EntityManager, { acceptedBy }: InvitationFacts): Promise<void> {
    await isDeleted(em, acceptedBy);
  }

  /**
   * Brings the row in line with what Clerk said, unless it knows something newer: that it is over is the last word. The
   * tenant must be there; of a deleted one nothing is kept, and of a deleted user no address. In the caller's transaction.
   */
  async mirror(em: EntityManager, tenantClerkId: string, facts: InvitationFacts): Promise<void> {
    const email = (await isDeleted(em, facts.acceptedBy)) ? '' : facts.email;
    const [tenant] = await em.execute<{ id: string }[]>(
      'select id from tenants where clerk_id = ? and deleted_at is null for share',
      [tenantClerkId],
    );
    if (tenant)
      await asTenant(em, tenant.id, (own) => own.execute(MIRROR, parametersOf(tenant.id, { ...facts, email })));
  }
}

/** Locks the user, so that a deletion that comes at the same time finds the invitation. */
async function isDeleted(em: EntityManager, userId: string | null): Promise<boolean> {
  if (!userId) return false;
  const [user] = await em.execute<{ is_deleted: boolean }[]>(
    'select deleted_at is not null as is_deleted from users where clerk_id = ? for share',
    [userId],
  );
  return user?.is_deleted ?? false;
}

function parametersOf(tenantId: string, facts: InvitationFacts): unknown[] {
  const { clerkId, email, role, status, expiresAt, createdAt, updatedAt, eventId } = facts;
  return [uuidv7(), tenantId, clerkId, email, role, status, expiresAt, createdAt, updatedAt, eventId];
}

const MIRROR = `
with told as (
  select ?::uuid as id, ?::uuid as tenant_id, ?::text as clerk_id, ?::text as email, ?::text as role,
         ?::text as status, ?::bigint as expires, ?::bigint as made, ?::bigint as said, ?::text as event_id
), facts as (
  select *, to_timestamp(expires / 1000.0) as expires_at, to_timestamp(${clerkTimeSql('made')} / 1000.0) as created_at,
         ${clerkTimeSql('said')} as updated_at
  from told
)
insert into invitations as stored (id, tenant_id, clerk_id, email, role, status, expires_at, created_at,
                   clerk_updated_at, clerk_event_id)
select id, tenant_id, clerk_id, email, role, status, expires_at, created_at, updated_at, event_id from facts
on conflict (tenant_id, clerk_id) do update set
  email = case when stored.email <> '' then excluded.email else '' end, role = excluded.role, status = excluded.status, expires_at = excluded.expires_at,
  clerk_updated_at = excluded.clerk_updated_at, clerk_event_id = excluded.clerk_event_id, updated_at = now()
where (stored.status <> 'pending', stored.clerk_updated_at, stored.clerk_event_id collate "C")
    < (excluded.status <> 'pending', excluded.clerk_updated_at, excluded.clerk_event_id collate "C")`;
