import type { EntityManager } from '@mikro-orm/postgresql';

/** What the handlers of events must know of tenants; `tenants` provides it. */
export abstract class EventTenants {
  /** Our id of the tenant that this organization of Clerk's is, or was; null when there is none. */
  abstract idOf(em: EntityManager, organizationId: string): Promise<string | null>;
}
