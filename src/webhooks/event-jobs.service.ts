import type { EntityManager } from '@mikro-orm/postgresql';
import { Injectable, type OnModuleInit } from '@nestjs/common';
import { EventTenants } from '../clerk/index.ts';
import { asTenant } from '../database/index.ts';
import { Jobs } from '../jobs/index.ts';
import { type EventHandler, EventHandlers } from './event-handlers.service.ts';
import { InboxEvent } from './inbox-event.entity.ts';
import { IncompleteEvents } from './incomplete-events.service.ts';
import { readStored, subjectsOf } from './received-event.ts';

/** Runs the handlers of features, each as a job of its own. */
@Injectable()
export class EventJobs implements OnModuleInit {
  constructor(
    private readonly handlers: EventHandlers,
    private readonly jobs: Jobs,
    private readonly tenants: EventTenants,
    private readonly incomplete: IncompleteEvents,
  ) {}

  onModuleInit(): void {
    for (const handler of this.handlers.all().filter(({ inTransaction }) => !inTransaction))
      this.jobs.register(handler.name, (data, em) => this.#run(handler, data, em));
  }

  /** As the event's tenant. The job holds the id alone: what an event says lies in one place, and goes from there. */
  async #run({ handle }: EventHandler, { eventId }: { eventId: string }, em: EntityManager): Promise<void> {
    const row = await em.findOneOrFail(InboxEvent, { id: eventId });
    const event = await this.incomplete.complete(em, readStored(row));
    const { clerkEvent } = event;
    if (!clerkEvent) return;
    const { tenantId: organizationId } = subjectsOf(event);
    const tenantId = organizationId && (await this.tenants.idOf(em, organizationId));
    if (tenantId) await asTenant(em, tenantId, async (own) => handle(clerkEvent, own));
    else await handle(clerkEvent, em);
  }
}
