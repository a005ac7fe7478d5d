import type { EntityManager } from '@mikro-orm/postgresql';
import { Injectable } from '@nestjs/common';
import { ERASABLE } from '../clerk/index.ts';
import { Pruning } from '../database/index.ts';
import { EventHandlers } from './event-handlers.service.ts';
import type { InboxStatus } from './inbox-event.entity.ts';
import { keptPayload } from './kept-payload.ts';
import { type ReceivedEvent, subjectsOf } from './received-event.ts';

/** How long an event can be looked up and replayed. */
const KEPT_DAYS = 35;
const MAX_ERROR = 1000;

/** One row for each event, whatever became of it; its primary key is what makes an event count once. */
@Injectable()
export class Inbox {
  constructor(
    pruning: Pruning,
    private readonly handlers: EventHandlers,
  ) {
    pruning.forget('inbox', `received_at < now() - interval '${KEPT_DAYS} days'`);
  }

  /**
   * Writes the row, or turns one that failed. Answers false, and writes nothing, when the event was dealt with before.
   * Whoever else brings the same event waits for the end of this transaction.
   */
  async record(em: EntityManager, event: ReceivedEvent, status: InboxStatus, error: string | null = null) {
    const { objectId, userId, tenantId } = subjectsOf(event);
    const isRead = this.handlers.of(event.type).feature.length > 0;
    const rows = await em.execute<unknown[]>(RECORD, [
      event.id,
      event.type,
      status,
      objectId,
      userId,
      tenantId,
      event.instanceId,
      event.at,
      JSON.stringify(keptPayload(event, { status, isRead })),
      error?.slice(0, MAX_ERROR) ?? null,
      event.receivedAt,
    ]);
    return rows.length > 0;
  }

  /**
   * Keeps nothing but ids of an event about a user who is deleted. The last statement of its transaction: it waits for a
   * deletion that is on its way, and one that comes later waits for it.
   */
  async eraseIfDeleted(em: EntityManager, { id, userId }: { id: string; userId?: string | null }) {
    if (userId) await em.execute(ERASE, [userId, id]);
  }

  /** Counts deliveries of an event that is there. */
  async countDeliveries(em: EntityManager, id: string, deliveries: number): Promise<void> {
    await em.execute('update inbox set deliveries = deliveries + ? where id = ?', [deliveries, id]);
  }
}

const RECORD = `
insert into inbox as stored (id, type, status, object_id, user_id, tenant_id, instance_id, event_at, payload, error,
                   received_at, handled_at)
values (?, ?, ?, ?, ?, ?, ?, ?, ?::json, ?, ?, now())
on conflict (id) do update set status = excluded.status, error = excluded.error, payload = excluded.payload,
  deliveries = stored.deliveries + 1, handled_at = excluded.handled_at
where stored.status in ('failed', 'unresolved')
returning 1`;

const ERASE = `
with owner as (select deleted_at from users where clerk_id = ? for share)
update inbox set payload = '{}' where id = ? and ${ERASABLE} and exists (select from owner where deleted_at is not null)`;
