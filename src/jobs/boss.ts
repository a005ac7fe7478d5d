import type { EntityManager } from '@mikro-orm/postgresql';
import { type ConstructorOptions, type Db, fromKysely, PgBoss, type QueueOptions } from 'pg-boss';
import { databaseConnection, type Settings } from '../config/index.ts';

const MAX_ATTEMPTS = 8;
const FIRST_DELAY_S = 1;
const MAX_DELAY_S = 600;
const KEEP_S = 35 * 86_400;
/** A job that runs longer is tried again. */
const EXPIRE_S = 300;
/** With this and both below, the job of a killed process runs again within about 45 s. */
const HEARTBEAT_S = 15;
const SUPERVISE_S = 15;
const MONITOR_S = 10;
const DAY_S = 86_400;
const MAX_CONNECTIONS = 3;
const CONNECT_TIMEOUT_MS = 2000;
const QUERY_TIMEOUT_MS = 8000;

/** Gets a copy of each job that died, however it did: by its error, by its time or by its process. */
export const DEAD_JOBS = 'jobs.dead';

export const QUEUE: QueueOptions = {
  retryLimit: MAX_ATTEMPTS - 1,
  retryDelay: FIRST_DELAY_S,
  retryBackoff: true,
  retryDelayMax: MAX_DELAY_S,
  expireInSeconds: EXPIRE_S,
  heartbeatSeconds: HEARTBEAT_S,
  retentionSeconds: KEEP_S,
  deleteAfterSeconds: KEEP_S,
};

/** pg-boss as the runtime role may run it: it changes rows, never the schema, which a migration installs. */
export function createBoss({ databaseUrl }: Settings): PgBoss {
  const options: ConstructorOptions & { query_timeout: number } = {
    ...databaseConnection(databaseUrl),
    schema: 'pgboss',
    max: MAX_CONNECTIONS,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    query_timeout: QUERY_TIMEOUT_MS,
    migrate: false,
    createSchema: false,
    superviseIntervalSeconds: SUPERVISE_S,
    monitorIntervalSeconds: MONITOR_S,
    // jobs that wait for others are not used
    flowIntervalSeconds: DAY_S,
    // rebuilding indexes takes their owner
    reindex: false,
    monitorVacuum: false,
    registerInstance: false,
    openTelemetry: { enabled: false },
  };
  return new PgBoss(options);
}

/** The open transaction of `em`, for pg-boss to act in. */
export function transactionOf(em: EntityManager): Db {
  return fromKysely(em.getKysely());
}

/** Of what a job failed with: pg-boss keeps an error as an object, anything else under `value`. */
export function messageOf(output: object | null): string {
  const { message, value } = (output ?? {}) as { message?: string; value?: object | string };
  if (typeof message === 'string') return message;
  return typeof value === 'object' ? messageOf(value) : (value ?? 'no reason given');
}
