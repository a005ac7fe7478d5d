import { EntityManager, type FilterQuery, LockMode } from '@mikro-orm/postgresql';
import { Injectable } from '@nestjs/common';
import { transaction } from '../database/index.ts';
import { type DeadJob, Jobs } from '../jobs/index.ts';
import { EventHandlers } from './event-handlers.service.ts';
import { InboxEvent, type InboxStatus } from './inbox-event.entity.ts';
import { readStored } from './received-event.ts';

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
  ) {}

  /** Newest first. */
  async list(filter: EventFilter, limit?: number): Promise<InboxEvent[]> {
    return this.em.fork().find(InboxEvent, whereOf(filter), { orderBy: { receivedAt: 'desc', id: 'desc' }, limit });
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
      const row = await em.findOne(InboxEvent, { id }, { lockMode: LockMode.PESSIMISTIC_WRITE });
      if (!row) throw new Error('There is no such event');
      const { clerkEvent } = readStored(row);
      const { core, feature } = this.handlers.of(row.type);
      if (clerkEvent) for (const { handle } of core) await handle(clerkEvent, em);
      for (const { name } of feature)
        if (row.status !== 'processed') await this.jobs.enqueue(em, name, { eventId: id });
        else await this.jobs.revive(em, name, { eventId: id });
      row.status = core.length + feature.length > 0 ? 'processed' : 'ignored';
      row.error = null;
      row.handledAt = new Date();
    });
  }
}

function whereOf({ status, type, since }: EventFilter): FilterQuery<InboxEvent> {
  return { ...(status && { status }), ...(type && { type }), ...(since && { receivedAt: { $gte: since } }) };
}
