import type { EntityManager } from '@mikro-orm/postgresql';
import { Injectable } from '@nestjs/common';
import { v7 as uuidv7 } from 'uuid';
import { Revocations } from '../auth/index.ts';
import { clerkTimeSql, IS_NEWER, IS_OLDER } from '../clerk/index.ts';
import { asTenant, ChangeLog } from '../database/index.ts';
import type { TenantFacts } from './tenant-facts.ts';

/** The topic of tenants in the change log; the key is Clerk's id. */
export const TENANT_CHANGED = 'tenant';

interface Deletion {
  clerkId: string;
  /** Clerk's time in milliseconds. */
  deletedAt: number;
  eventId: string;
}

/** The one way in which Clerk's organizations reach our table, whoever tells us. */
@Injectable()
export class TenantMirror {
  constructor(
    private readonly changes: ChangeLog,
    private readonly revocations: Revocations,
  ) {}

  /**
   * Brings the row in line with what Clerk said, unless the row knows something newer or the tenant is deleted. Answers
   * whether anything changed. In the caller's transaction.
   */
  async mirror(em: EntityManager, facts: TenantFacts): Promise<boolean> {
    const [changed] = await em.execute<{ inserted: boolean }[]>(MIRROR, [
      uuidv7(),
      facts.clerkId,
      facts.name,
      facts.slug,
      facts.imageUrl,
      facts.maxMembers,
      facts.createdBy,
      facts.eventId,
      facts.updatedAt,
    ]);
    if (changed && !changed.inserted) this.changes.record(em, TENANT_CHANGED, facts.clerkId);
    return changed !== undefined;
  }

  /**
   * Leaves a tombstone without name and settings, whether or not the tenant was known, and ends its memberships and every token with it. The addresses of
   * whom it invited go, too. A deletion is final, and of several the first counts. In the caller's transaction.
   */
  async delete(em: EntityManager, { clerkId, deletedAt, eventId }: Deletion): Promise<void> {
    const [deleted] = await em.execute<{ id: string }[]>(DELETE, [uuidv7(), clerkId, eventId, deletedAt]);
    if (!deleted) return;
    await asTenant(em, deleted.id, async (own) => {
      await own.execute(END_MEMBERSHIPS);
      await own.execute(ERASE_INVITATIONS);
    });
    await this.revocations.revokeTenant(em, clerkId, deletedAt);
    this.changes.record(em, TENANT_CHANGED, clerkId);
  }

  /** Takes back the deletion that was made at that time of Clerk's; false when there is none any more. For an operator. */
  async revive(em: EntityManager, facts: TenantFacts, deletedAt: number): Promise<boolean> {
    const revived = await em.execute<unknown[]>(
      `update tenants set deleted_at = null, clerk_updated_at = 0, clerk_event_id = ''
       where clerk_id = ? and deleted_at is not null and clerk_updated_at = ? returning 1`,
      [facts.clerkId, deletedAt],
    );
    if (revived.length > 0) await this.mirror(em, facts);
    return revived.length > 0;
  }
}

const MIRROR = `
with told as (
  select ?::uuid as id, ?::text as clerk_id, ?::text as name, ?::text as slug, ?::text as image_url,
         ?::int as max_members, ?::text as created_by, ?::text as event_id, ?::bigint as said_at
), facts as (select *, ${clerkTimeSql('said_at')} as updated_at from told)
insert into tenants as stored (id, clerk_id, name, slug, image_url, max_members, created_by, clerk_updated_at, clerk_event_id)
select id, clerk_id, name, slug, image_url, max_members, created_by, updated_at, event_id from facts
on conflict (clerk_id) do update set
  name = excluded.name, slug = excluded.slug, image_url = excluded.image_url, max_members = excluded.max_members,
  created_by = coalesce(excluded.created_by, stored.created_by),
  clerk_updated_at = excluded.clerk_updated_at, clerk_event_id = excluded.clerk_event_id, updated_at = now()
where stored.deleted_at is null
  and ${IS_NEWER}
returning (xmax = 0) as inserted`;

const DELETE = `
with told as (select ?::uuid as id, ?::text as clerk_id, ?::text as event_id, ?::bigint as said_at),
facts as (select *, ${clerkTimeSql('said_at')} as deleted_at from told)
insert into tenants as stored (id, clerk_id, deleted_at, clerk_updated_at, clerk_event_id)
select id, clerk_id, to_timestamp(deleted_at / 1000.0), deleted_at, event_id from facts
on conflict (clerk_id) do update set
  name = null, slug = null, image_url = null, max_members = null, settings = '{}', deleted_at = excluded.deleted_at,
  clerk_updated_at = excluded.clerk_updated_at, clerk_event_id = excluded.clerk_event_id, updated_at = now()
where stored.deleted_at is null
  or ${IS_OLDER}
returning id`;

/** Nobody may read them any more, so nobody need forget them: the tenant's own change says it. */
const END_MEMBERSHIPS = 'update memberships set ended_at = now(), updated_at = now() where ended_at is null';

const ERASE_INVITATIONS = "update invitations set email = '' where email <> ''";
