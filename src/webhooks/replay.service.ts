import { EntityManager, LockMode, raw } from '@mikro-orm/postgresql';
import { Injectable } from '@nestjs/common';
import { transaction } from '../database/index.ts';
import { type DeadJob, Jobs } from '../jobs/index.ts';
import { EventHandlers } from './event-handlers.service.ts';
import { Inbox } from './inbox.service.ts';
import { InboxEvent, type InboxStatus } from './inbox-event.entity.ts';
import { IncompleteEvents, mayWait } from './incomplete-events.service.ts';
import { type ReceivedEvent, readStored, subjectsOf } from './received-event.ts';

/** How many ids are held at a time. */
const BATCH = 1000;

/** Where an event stands in the order of receipt; the time as text, since a Date drops what is finer than a millisecond. */
interface Place {
  id: string;
  time: string;
}

const BEGINNING: Place = { id: '', time: '-infinity' };
const BETWEEN = '(received_at, id) > (?::timestamptz, ?::text) and (received_at, id) <= (?::timestamptz, ?::text)';

/** Which events; all of what is given must fit. */
interface EventFilter {
  status?: InboxStatus;
  type?: string;
  since?: Date;
}

/** What an operator does with events that are in the inbox. */
@Injectable()
export class Replay {
  constructor(
    private readonly em: EntityManager,
    private readonly handlers: EventHandlers,
    private readonly jobs: Jobs,
    private readonly incomplete: IncompleteEvents,
    private readonly inbox: Inbox,
  ) {}

  /** Newest first. */
  async list(filter: EventFilter, limit: number): Promise<InboxEvent[]> {
    return this.em.fork().find(InboxEvent, whereOf(filter), { orderBy: { receivedAt: 'desc', id: 'desc' }, limit });
  }

  /**
   * The ids of those that are there by now, oldest first, without their payloads: after an outage these do not fit into
   * memory. Goes on from the last one's place, since those that were replayed may not fit the filter any more; what comes
   * meanwhile is left out, or there might be no end.
   */
  async *ids(filter: EventFilter): AsyncGenerator<string> {
    const [end] = await this.#places(filter).orderBy({ receivedAt: 'desc', id: 'desc' }).limit(1).execute<Place[]>();
    let last: Place | undefined = BEGINNING;
    while (end && last) {
      const places: Place[] = await this.#places(filter)
        .andWhere(BETWEEN, [last.time, last.id, end.time, end.id])
        .orderBy({ receivedAt: 'asc', id: 'asc' })
        .limit(BATCH)
        .execute<Place[]>();
      yield* places.map(({ id }) => id);
      last = places.at(-1);
    }
  }

  async find(id: string): Promise<InboxEvent | null> {
    return this.em.fork().findOne(InboxEvent, { id });
  }

  /** Of an event's handlers in features, those that gave up. */
  async deadJobsOf(eventId: string): Promise<DeadJob[]> {
    return this.jobs.dead({ data: { eventId } });
  }

  /**
   * Deals with an event anew: core handlers run again, which changes nothing that is newer; jobs of features are made when
   * the event never had them, and started again where they are dead. Throws what a handler threw; then nothing changed.
   */
  async replay(id: string): Promise<void> {
    await transaction(this.em.fork(), async (em) => {
      // in the order of locks: a deletion holds its user before the events
      await em.execute(
        'select from users where clerk_id = (select user_id from inbox where id = ?) for no key update',
        [id],
      );
      const row = await em.findOne(InboxEvent, { id }, { lockMode: LockMode.PESSIMISTIC_WRITE });
      if (!row) throw new Error('There is no such event');
      if (row.isErased) throw new Error('It was erased with its user: there is nothing to replay');
      if (!(await this.#deal(em, row))) throw new Error('It names an object that is not known here');
    });
  }

  /** Deals with the events that named the object of this one, which is known by now, by its id alone. In its transaction. */
  async settleWaiting(em: EntityManager, event: ReceivedEvent): Promise<void> {
    const { objectId } = subjectsOf(event);
    if (!objectId || !mayWait(event)) return;
    const waiting = await em.find(
      InboxEvent,
      { objectId, status: 'unresolved' },
      { orderBy: { eventAt: 'asc', id: 'asc' }, lockMode: LockMode.PESSIMISTIC_WRITE },
    );
    for (const row of waiting) if (await this.#deal(em, row)) await this.inbox.eraseIfDeleted(em, row);
  }

  /** False, and nothing changed, when its object is not known. */
  async #deal(em: EntityManager, row: InboxEvent): Promise<boolean> {
    const stored = readStored(row);
    const event = await this.incomplete.complete(em, stored);
    if (event.isIncomplete) return false;
    const { core, feature } = this.handlers.of(row.type);
    if (event.clerkEvent) for (const { handle } of core) await handle(event.clerkEvent, em);
    for (const { name } of feature)
      if (row.status !== 'processed') await this.jobs.enqueue(em, name, { eventId: row.id });
      else await this.jobs.revive(em, name, { eventId: row.id });
    row.status = core.length + feature.length > 0 ? 'processed' : 'ignored';
    row.error = null;
    row.handledAt = new Date();
    if (stored.isIncomplete) Object.assign(row, subjectsOf(event));
    return true;
  }

  #places(filter: EventFilter) {
    return this.em
      .fork()
      .createQueryBuilder(InboxEvent)
      .select(['id', raw('received_at::text as time')])
      .where(whereOf(filter));
  }
}

function whereOf({ status, type, since }: EventFilter) {
  return { ...(status && { status }), ...(type && { type }), ...(since && { receivedAt: { $gte: since } }) };
}
