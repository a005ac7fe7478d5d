import { EntityManager } from '@mikro-orm/postgresql';
import { Injectable } from '@nestjs/common';
import { PgBoss } from 'pg-boss';
import { livingTenants, scopeOf } from '../database/index.ts';
import { DEAD_JOBS, messageOf, transactionOf } from './boss.ts';
import type { JobHandler, JobOptions, RegisteredJob } from './registered-job.ts';

const NAME = /^[\w.\-/]+$/;

/** A job that failed eight times. */
export interface DeadJob {
  id: string;
  name: string;
  data: unknown;
  /** The message of its last error. */
  error: string;
  attempts: number;
  createdAt: Date;
  diedAt: Date;
}

type DeadRow = Pick<DeadJob, 'id' | 'name' | 'data' | 'attempts'> & {
  output: object | null;
  created_on: string;
  completed_on: string;
};

/** How many jobs there are: dead, running, and not (yet, or again). */
interface JobCounts {
  dead: number;
  active: number;
  waiting: number;
}

/** Background work: enqueued in the transaction that wants it, run later in one of its own, at least once. */
@Injectable()
export class Jobs {
  readonly #registered = new Map<string, RegisteredJob>();
  #isSealed = false;

  constructor(
    private readonly boss: PgBoss,
    private readonly em: EntityManager,
  ) {}

  /** Whether this process runs jobs, or only enqueues them, as a command does. */
  runsHere = true;

  /** Adds a job that no @Job declares, before the application is bootstrapped. */
  register(name: string, handler: JobHandler, options: JobOptions = {}): void {
    if (this.#isSealed) throw new Error(`The job ${name} is registered after the start`);
    if (!NAME.test(name)) throw new Error(`The job "${name}": a name is letters, digits and _ . - /`);
    if (name === DEAD_JOBS || this.#registered.has(name)) throw new Error(`Two jobs are named ${name}`);
    if (options.cron) this.#checkSchedule(name, options.cron);
    this.#registered.set(name, { ...options, name, handler });
  }

  /**
   * Adds the job to the open transaction of `em`: it runs if and only if that commits. Work of a tenant enqueues for that
   * tenant: `tenantId` is put into the data, and the job runs as it; data never names another. One statement.
   */
  async enqueue(em: EntityManager, name: string, data: object): Promise<void> {
    const { tenantId } = scopeOf(em);
    // else whoever has a say in the data would choose whose rows the job sees
    if ('tenantId' in data && data.tenantId !== tenantId)
      throw new Error('A job runs as the tenant whose work enqueues it (asTenant); its data names another');
    await this.#send(em, name, tenantId ? { ...data, tenantId } : data);
  }

  /**
   * Adds one job for each living tenant to the open transaction of `em`, to run as that tenant: for all or for none. Some
   * thousand tenants at a time, so that no statement takes long.
   */
  async enqueueForEachTenant(em: EntityManager, name: string, data: object): Promise<void> {
    this.#check(em, name);
    if (scopeOf(em).tenantId !== null) throw new Error('Work of a tenant enqueues jobs for that tenant alone');
    if ('tenantId' in data) throw new Error('The data of a job for each tenant names none');
    for await (const ids of livingTenants(em)) {
      const jobs = ids.map((tenantId) => ({ data: { ...data, tenantId } }));
      await this.boss.insert(name, jobs, { db: transactionOf(em) });
    }
  }

  /** Enqueues again, with all attempts and the same ids, what died of that name with this data. */
  async revive(em: EntityManager, name: string, data: object): Promise<void> {
    const dead = await em.execute<{ id: string }[]>(
      "delete from pgboss.job where name = ? and state = 'failed' and data = ?::jsonb returning id",
      [name, JSON.stringify(data)],
    );
    for (const { id } of dead) await this.#send(em, name, data, id);
  }

  async counts(): Promise<JobCounts> {
    const [counts] = await this.em.fork().execute<JobCounts[]>(
      `select count(*) filter (where state = 'failed')::int as dead,
              count(*) filter (where state = 'active')::int as active,
              count(*) filter (where state in ('created', 'retry'))::int as waiting
       from pgboss.job
       where state in ('created', 'retry', 'active', 'failed') and name not in (?, '__pgboss__send-it')`,
      [DEAD_JOBS],
    );
    return counts as JobCounts;
  }

  /** The dead, the latest first: those whose data contains `data`. */
  async dead({ data, limit = 100 }: { data?: object; limit?: number } = {}): Promise<DeadJob[]> {
    const rows = await this.em.fork().execute<DeadRow[]>(
      `select id, name, data, output, retry_count + 1 as attempts, created_on, completed_on from pgboss.job
       where state = 'failed' and name <> ?${data ? ' and data @> ?::jsonb' : ''} order by completed_on desc limit ?`,
      [DEAD_JOBS, ...(data ? [JSON.stringify(data)] : []), limit],
    );
    return rows.map(({ output, created_on, completed_on, ...row }) => ({
      ...row,
      error: messageOf(output),
      createdAt: new Date(created_on),
      diedAt: new Date(completed_on),
    }));
  }

  /** All of them, when none can be added any more. */
  seal(): RegisteredJob[] {
    this.#isSealed = true;
    return [...this.#registered.values()];
  }

  async #send(em: EntityManager, name: string, data: object, id?: string): Promise<void> {
    this.#check(em, name);
    await this.boss.send(name, data, { db: transactionOf(em), ...(id && { id }) });
  }

  #check(em: EntityManager, name: string): void {
    if (!em.isInTransaction()) throw new Error('A job is enqueued in the transaction that wants it');
    if (!this.#registered.has(name)) throw new Error(`There is no job named ${name}`);
  }

  #checkSchedule(name: string, cron: string): void {
    try {
      this.boss.previewSchedule(cron, { count: 1 });
    } catch (cause) {
      throw new Error(`The job ${name} has a schedule that is none: ${cron}`, { cause });
    }
  }
}
