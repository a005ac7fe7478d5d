import type { EntityManager } from '@mikro-orm/postgresql';

/** `data` is what was enqueued, null for a job on a schedule; injected EntityManagers act in the transaction of `em`. */
export type JobHandler = (data: never, em: EntityManager) => Promise<unknown>;

export interface JobOptions {
  /** When it runs by itself: five fields, UTC. */
  cron?: string;
}

export interface RegisteredJob extends JobOptions {
  name: string;
  handler: JobHandler;
}
