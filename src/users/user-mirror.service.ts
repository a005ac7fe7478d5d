import type { EntityManager } from '@mikro-orm/postgresql';
import { Injectable } from '@nestjs/common';
import { ChangeLog } from '../database/index.ts';
import { User } from './user.entity.ts';
import { USER_CHANGED } from './user-changes.service.ts';
import type { UserFacts } from './user-facts.ts';

/** A time that is further ahead of the database's clock than this counts as the time of receipt. */
const MAX_AHEAD_MS = 5 * 60_000;
/** Below this a time of Clerk's is in seconds. */
const SECONDS_BELOW = 10 ** 11;

/** The one way in which Clerk's users reach our table, whoever tells us. */
@Injectable()
export class UserMirror {
  constructor(private readonly changes: ChangeLog) {}

  /**
   * Brings the row in line with what Clerk said, unless the row knows something newer or the user is deleted: so order,
   * duplicates and losses do not matter. Runs in the caller's transaction, and announces the change as its last statement.
   */
  async mirror(em: EntityManager, facts: UserFacts): Promise<void> {
    const updatedAt = facts.updatedAt < SECONDS_BELOW ? facts.updatedAt * 1000 : facts.updatedAt;
    const externalId =
      facts.externalId && (await this.#claimExternalId(em, facts.externalId, facts.clerkId, updatedAt));
    const row = em.create(User, { clerkId: facts.clerkId }, { persist: false, partial: true });
    const [changed] = await em.execute<{ inserted: boolean }[]>(MIRROR, [
      row.id,
      facts.clerkId,
      externalId || null,
      facts.email,
      facts.name,
      facts.imageUrl,
      facts.banned,
      facts.locked,
      facts.deprovisioned,
      facts.eventId,
      updatedAt,
      MAX_AHEAD_MS,
    ]);
    if (changed && !changed.inserted) await this.changes.record(em, USER_CHANGED, facts.clerkId);
  }

  /**
   * Clerk's external ids are unique, so one that another living row still shows has moved: to whom the newer word says.
   * Claims are no word on it. Answers the id when the row may have it.
   */
  async #claimExternalId(
    em: EntityManager,
    externalId: string,
    clerkId: string,
    updatedAt: number,
  ): Promise<string | null> {
    // two users that get the same id at once take turns
    await em.execute('select pg_advisory_xact_lock(hashtext(?))', [`external_id ${externalId}`]);
    const [{ clerk_id: holder } = {}] = await em.execute<{ clerk_id?: string }[]>(
      'select clerk_id from users where external_id = ? and clerk_id <> ? and deleted_at is null',
      [externalId, clerkId],
    );
    if (!holder) return externalId;
    const moved = await em.execute<unknown[]>(
      `update users set external_id = null, updated_at = now()
       where clerk_id = ? and clerk_updated_at <= ? and ? > 0
         and not exists (select from users where clerk_id = ? and (deleted_at is not null or clerk_updated_at >= ?))
       returning 1`,
      [holder, updatedAt, updatedAt, clerkId, updatedAt],
    );
    if (moved.length === 0) return null;
    await this.changes.record(em, USER_CHANGED, holder);
    return externalId;
  }
}

const MIRROR = `
with told as (
  select ?::uuid as id, ?::text as clerk_id, ?::text as external_id, ?::text as email, ?::text as name,
         ?::text as image_url, ?::boolean as banned, ?::boolean as locked, ?::boolean as deprovisioned,
         ?::text as event_id, ?::bigint as said_at, ?::bigint as max_ahead,
         (extract(epoch from clock_timestamp()) * 1000)::bigint as now_ms
), facts as (
  select *, case when said_at > now_ms + max_ahead then now_ms else said_at end as updated_at from told
)
insert into users as stored (id, clerk_id, external_id, email, name, image_url, banned_at, locked_at, deprovisioned_at,
                   clerk_updated_at, clerk_event_id)
select id, clerk_id, external_id, email, name, image_url,
       case when banned then to_timestamp(updated_at / 1000.0) end,
       case when locked then to_timestamp(updated_at / 1000.0) end,
       case when deprovisioned then to_timestamp(updated_at / 1000.0) end,
       updated_at, event_id
from facts
on conflict (clerk_id) do update set
  external_id = excluded.external_id, email = excluded.email, name = excluded.name, image_url = excluded.image_url,
  banned_at = excluded.banned_at, locked_at = excluded.locked_at, deprovisioned_at = excluded.deprovisioned_at,
  clerk_updated_at = excluded.clerk_updated_at, clerk_event_id = excluded.clerk_event_id, updated_at = now()
where stored.deleted_at is null
  and (stored.clerk_updated_at, stored.clerk_event_id collate "C")
    < (excluded.clerk_updated_at, excluded.clerk_event_id collate "C")
returning (xmax = 0) as inserted`;
