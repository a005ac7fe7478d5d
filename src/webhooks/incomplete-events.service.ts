import type { EntityManager } from '@mikro-orm/postgresql';
import { Injectable } from '@nestjs/common';
import { EventTenants } from '../clerk/index.ts';
import { completed, kindOf, type ReceivedEvent, subjectsOf } from './received-event.ts';

/** Completes events that name their object by its id alone: our copy knows the rest, or a later event will bring it. */
@Injectable()
export class IncompleteEvents {
  constructor(private readonly tenants: EventTenants) {}

  /** Stays incomplete where the object is not known here. */
  async complete(em: EntityManager, event: ReceivedEvent): Promise<ReceivedEvent> {
    const { objectId: id, tenantId: organizationId } = subjectsOf(event);
    if (!event.isIncomplete || !id) return event;
    const fields = await this.tenants.fieldsOf(em, { kind: kindOf(event.type), id, organizationId });
    return fields ? completed(event, fields) : event;
  }

  /** Events of one object take turns: one that makes it known would miss one that waits for it, and commits just now. */
  async takeTurn(em: EntityManager, event: ReceivedEvent): Promise<void> {
    const { objectId } = subjectsOf(event);
    if (objectId && mayWait(event))
      await em.execute("select pg_advisory_xact_lock(hashtextextended('event ' || ?, 0))", [objectId]);
  }
}

/** Whether events of this kind may name their object by its id alone. */
export function mayWait({ type }: ReceivedEvent): boolean {
  return ['organizationMembership', 'organizationInvitation'].includes(kindOf(type));
}
