import type { EntityManager } from '@mikro-orm/postgresql';

/** What a job knows of itself; the id stays the same however often it is tried. */
interface RunningJob {
  id: string;
}

/** `data` is what was enqueued, null for a job on a schedule; injected EntityManagers act as `em` does. */
export type JobHandler = (data: never, em: EntityManager, job: RunningJob) => Promise<unknown>;

export interface JobOptions {
  /** When it runs by itself: five fields, UTC. */
  cron?: string;
  /**
   * False: no transaction is open while the job runs, so that it may call others (mail, HTTP, Clerk), for up to five minutes.
   * It is tried again after any failure, so each call bears the job's id as its idempotency key.
   */
  transaction?: boolean;
}

export interface RegisteredJob extends JobOptions {
  name: string;
  handler: JobHandler;
}
