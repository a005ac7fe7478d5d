import type { EntityManager } from '@mikro-orm/postgresql';
import { Injectable } from '@nestjs/common';
import { Pruning } from '../database/index.ts';
import type { InboxStatus } from './inbox-event.entity.ts';
import { type ReceivedEvent, subjectsOf } from './received-event.ts';

/** How long an event can be looked up and replayed. */
const KEPT_DAYS = 35;
const MAX_ERROR = 1000;

/** One row for each event, whatever became of it; its primary key is what makes an event count once. */
@Injectable()
export class Inbox {
  constructor(pruning: Pruning) {
    pruning.forget('inbox', `received_at < now() - interval '${KEPT_DAYS} days'`);
  }

  /**
   * Writes the row, or turns one that failed. Answers false, and writes nothing, when the event was dealt with before.
   * Whoever else brings the same event waits for the end of this transaction.
   */
  async record(em: EntityManager, event: ReceivedEvent, status: InboxStatus, error: string | null = null) {
    const { objectId, userId, tenantId } = subjectsOf(event);
    const rows = await em.execute<unknown[]>(RECORD, [
      event.id,
      event.type,
      status,
      objectId,
      userId,
      tenantId,
      event.instanceId,
      event.at,
      JSON.stringify(event.payload),
      error?.slice(0, MAX_ERROR) ?? null,
      event.receivedAt,
    ]);
    return rows.length > 0;
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
on conflict (id) do update set status = excluded.status, error = excluded.error,
  deliveries = stored.deliveries + 1, handled_at = excluded.handled_at
where stored.status = 'failed'
returning 1`;
