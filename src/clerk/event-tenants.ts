import type { EntityManager } from '@mikro-orm/postgresql';

/** What an event is about, by Clerk's ids. */
export interface EventObject {
  /** As in the type of the event: `organizationMembership`. */
  kind: string;
  id: string;
  /** Null where the event does not say it. */
  organizationId: string | null;
}

/** What the handlers of events must know of tenants; `tenants` provides it. */
export abstract class EventTenants {
  /** Our id of the tenant that this organization of Clerk's is, or was; null when there is none. */
  abstract idOf(em: EntityManager, organizationId: string): Promise<string | null>;

  /** The object as our copy has it, in the fields of Clerk's events; null when it is not here. In a transaction. */
  abstract fieldsOf(em: EntityManager, object: EventObject): Promise<Record<string, unknown> | null>;
}
