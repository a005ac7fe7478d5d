import type { EntityManager } from '@mikro-orm/postgresql';
import { Injectable } from '@nestjs/common';
import { v7 as uuidv7 } from 'uuid';
import { Revocations } from '../auth/index.ts';
import { clerkTimeSql, erasePerson, IS_NEWER, IS_OLDER } from '../clerk/index.ts';
import { ChangeLog } from '../database/index.ts';
import type { UserFacts } from './user-facts.ts';

/** The topic of users in the change log; the key is Clerk's id. */
export const USER_CHANGED = 'user';

/** The last word on a user: that there is none any more. */
export interface Deletion {
  clerkId: string;
  /** Clerk's time in milliseconds. */
  deletedAt: number;
  eventId: string;
}

/** The one way in which Clerk's users reach our table, whoever tells us. */
@Injectable()
export class UserMirror {
  constructor(
    private readonly changes: ChangeLog,
    private readonly revocations: Revocations,
  ) {}

  /**
   * Brings the row in line with what Clerk said, unless the row knows something newer or the user is deleted: so order,
   * duplicates and losses do not matter. A user who may not sign in loses the tokens issued until then, however late the
   * word comes. In the caller's transaction.
   */
  async mirror(em: EntityManager, facts: UserFacts): Promise<void> {
    const externalId = facts.externalId && (await this.#claimExternalId(em, facts.externalId, facts));
    const [changed] = await em.execute<{ inserted: boolean }[]>(MIRROR, [
      uuidv7(),
      facts.clerkId,
      externalId || null,
      facts.email,
      facts.emailVerified,
      facts.username,
      facts.phone,
      facts.name,
      facts.imageUrl,
      facts.banned,
      facts.locked,
      facts.deprovisioned,
      facts.eventId,
      facts.updatedAt,
    ]);
    if (changed && !changed.inserted) this.changes.record(em, USER_CHANGED, facts.clerkId);
    if (facts.banned || facts.deprovisioned) await this.revocations.revokeUpTo(em, facts.clerkId, facts.updatedAt);
  }

  /**
   * Leaves a tombstone without the profile, whether or not the user was known, so that nothing brings it back: a deletion
   * is final, and of several the first counts. Erases what other tables hold of the person. In the caller's transaction.
   */
  async delete(em: EntityManager, { clerkId, deletedAt, eventId }: Deletion): Promise<void> {
    const [before] = await em.execute<{ email: string | null }[]>(
      'select case when email_verified then email end as email from users where clerk_id = ? for update',
      [clerkId],
    );
    const [deleted] = await em.execute<{ inserted: boolean }[]>(DELETE, [uuidv7(), clerkId, eventId, deletedAt]);
    if (deleted && !deleted.inserted) this.changes.record(em, USER_CHANGED, clerkId);
    await erasePerson(em, { clerkId, email: before?.email ?? null });
  }

  /**
   * Takes back the deletion that was made at that time of Clerk's, and mirrors. False when there is no such deletion any
   * more. For an operator alone. In the caller's transaction.
   */
  async revive(em: EntityManager, facts: UserFacts, deletedAt: number): Promise<boolean> {
    const revived = await em.execute<unknown[]>(
      `update users set deleted_at = null, clerk_updated_at = 0, clerk_event_id = ''
       where clerk_id = ? and deleted_at is not null and clerk_updated_at = ? returning 1`,
      [facts.clerkId, deletedAt],
    );
    if (revived.length > 0) await this.mirror(em, facts);
    return revived.length > 0;
  }

  /**
   * Clerk's external ids are unique, so one that another living row still shows has moved: to whom the newer word says.
   * Claims are no word on it. Answers the id when the row may have it.
   */
  async #claimExternalId(
    em: EntityManager,
    externalId: string,
    { clerkId, updatedAt, eventId }: UserFacts,
  ): Promise<string | null> {
    // two users that get the same id at once take turns
    await em.execute('select pg_advisory_xact_lock(hashtext(?))', [`external_id ${externalId}`]);
    const [{ clerk_id: holder } = {}] = await em.execute<{ clerk_id?: string }[]>(
      'select clerk_id from users where external_id = ? and clerk_id <> ? and deleted_at is null',
      [externalId, clerkId],
    );
    if (!holder) return externalId;
    // the holder's row does not count as touched: nobody has told anything newer of the holder
    const moved = await em.execute<unknown[]>(
      `update users set external_id = null
       where clerk_id = ? and clerk_updated_at <= ? and ? > 0
         and not exists (select from users where clerk_id = ? and (
           deleted_at is not null or (clerk_updated_at, clerk_event_id collate "C") >= (?::bigint, ?::text)))
       returning 1`,
      [holder, updatedAt, updatedAt, clerkId, updatedAt, eventId],
    );
    if (moved.length === 0) return null;
    this.changes.record(em, USER_CHANGED, holder);
    return externalId;
  }
}

const MIRROR = `
with told as (
  select ?::uuid as id, ?::text as clerk_id, ?::text as external_id, ?::text as email,
         ?::boolean as email_verified, ?::text as username, ?::text as phone, ?::text as name, ?::text as image_url,
         ?::boolean as banned, ?::boolean as locked, ?::boolean as deprovisioned,
         ?::text as event_id, ?::bigint as said_at
), facts as (select *, ${clerkTimeSql('said_at')} as updated_at from told)
insert into users as stored (id, clerk_id, external_id, email, email_verified, username, phone, name, image_url,
                   banned_at, locked_at, deprovisioned_at, clerk_updated_at, clerk_event_id)
select id, clerk_id, external_id, email, email_verified, username, phone, name, image_url,
       case when banned then to_timestamp(updated_at / 1000.0) end,
       case when locked then to_timestamp(updated_at / 1000.0) end,
       case when deprovisioned then to_timestamp(updated_at / 1000.0) end,
       updated_at, event_id
from facts
on conflict (clerk_id) do update set
  external_id = excluded.external_id, email = excluded.email, email_verified = excluded.email_verified,
  username = excluded.username, phone = excluded.phone, name = excluded.name, image_url = excluded.image_url,
  banned_at = excluded.banned_at, locked_at = excluded.locked_at, deprovisioned_at = excluded.deprovisioned_at,
  clerk_updated_at = excluded.clerk_updated_at, clerk_event_id = excluded.clerk_event_id, updated_at = now()
where stored.deleted_at is null
  and ${IS_NEWER}
returning (xmax = 0) as inserted`;

const DELETE = `
with told as (select ?::uuid as id, ?::text as clerk_id, ?::text as event_id, ?::bigint as said_at),
facts as (select *, ${clerkTimeSql('said_at')} as deleted_at from told)
insert into users as stored (id, clerk_id, deleted_at, clerk_updated_at, clerk_event_id)
select id, clerk_id, to_timestamp(deleted_at / 1000.0), deleted_at, event_id from facts
on conflict (clerk_id) do update set
  external_id = null, email = null, email_verified = false, username = null, phone = null, name = null, image_url = null,
  locale = null, timezone = null, settings = '{}',
  banned_at = null, locked_at = null, deprovisioned_at = null, deleted_at = excluded.deleted_at,
  clerk_updated_at = excluded.clerk_updated_at, clerk_event_id = excluded.clerk_event_id, updated_at = now()
where stored.deleted_at is null
  or ${IS_OLDER}
returning (xmax = 0) as inserted`;
