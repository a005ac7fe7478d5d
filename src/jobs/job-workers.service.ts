import { RequestContext } from '@mikro-orm/core';
import { EntityManager } from '@mikro-orm/postgresql';
import { type BeforeApplicationShutdown, Injectable, Logger } from '@nestjs/common';
import { bulkhead } from 'cockatiel';
import { type Job, type JobWithMetadata, PgBoss } from 'pg-boss';
import {
  asTenant,
  DatabaseStartup,
  enterScope,
  safeMessage,
  transaction,
  withoutRowValues,
} from '../database/index.ts';
import { DEAD_JOBS, messageOf, QUEUE, transactionOf } from './boss.ts';
import { JobOutage } from './job-outage.ts';
import { JobPoll } from './job-poll.ts';
import { whyEnded } from './job-time-outs.ts';
import { Jobs } from './jobs.service.ts';
import type { RegisteredJob } from './registered-job.ts';

/** Should the poll ever miss something. */
const WORKER = { pollingIntervalSeconds: 30 };
/** Of the pool that requests use too. */
const MAX_RUNNING = 4;
const SHUTDOWN_MS = 10_000;

/** Schedules that no code has; a day old, lest a process of the last version takes away what the next one brought. */
const FORGET_SCHEDULES = `
  delete from pgboss.schedule where name <> all($1::text[]) and updated_on < now() - interval '1 day'`;

/** Runs the jobs, in every process. */
@Injectable()
export class JobWorkers implements BeforeApplicationShutdown {
  readonly #logger = new Logger('Jobs');
  readonly #slots = bulkhead(MAX_RUNNING, Number.POSITIVE_INFINITY);
  readonly #poll: JobPoll;
  #isStopping = false;

  constructor(
    private readonly jobs: Jobs,
    private readonly boss: PgBoss,
    private readonly em: EntityManager,
    startup: DatabaseStartup,
  ) {
    const outage = new JobOutage(this.#logger);
    this.#poll = new JobPoll(boss, { success: () => outage.ended(), error: (error) => outage.noted(error) });
    boss.on('error', (error) => outage.noted(error));
    boss.on('warning', ({ message }) => this.#logger.warn(message));
    startup.beforeReady(() => this.#start());
  }

  /** Takes no job any more, and lets those that run end while the database is open; requests may still enqueue. */
  async beforeApplicationShutdown(): Promise<void> {
    this.#isStopping = true;
    this.#poll.stop();
    await this.boss
      .stop({ timeout: SHUTDOWN_MS })
      .catch((error: Error) => this.#logger.warn(`the jobs did not stop: ${safeMessage(error)}`));
  }

  async #start(): Promise<void> {
    if (this.#isStopping) return;
    await this.boss.start();
    if (!this.jobs.runsHere) return;
    await this.#createQueue(DEAD_JOBS);
    await this.#work(DEAD_JOBS, (job) => this.#bury(job));
    const jobs = this.jobs.seal();
    for (const job of jobs) await this.#startJob(job);
    const scheduled = jobs.filter(({ cron }) => cron).map(({ name }) => name);
    await this.boss.getDb().executeSql(FORGET_SCHEDULES, [scheduled]);
    this.#poll.start();
  }

  async #startJob(job: RegisteredJob): Promise<void> {
    await this.#createQueue(job.name, DEAD_JOBS);
    if (job.cron) await this.boss.schedule(job.name, job.cron);
    const run = (taken: Job) => this.#runSafely(job, taken);
    // one that calls others holds no connection meanwhile
    await this.#work(job.name, job.transaction === false ? run : (taken) => this.#slots.execute(() => run(taken)));
  }

  /** Also changes the options of a queue that an earlier version has made. */
  async #createQueue(name: string, deadLetter?: string): Promise<void> {
    const options = { ...QUEUE, ...(deadLetter && { deadLetter }) };
    await this.boss.createQueue(name, options);
    await this.boss.updateQueue(name, options);
  }

  async #work(name: string, run: (job: JobWithMetadata) => Promise<void>): Promise<void> {
    if (this.#poll.has(name)) return;
    const worker = await this.boss.work(name, { ...WORKER, includeMetadata: true }, async ([job]) => {
      // there may be more of them
      this.#poll.wake(name);
      await run(job as JobWithMetadata);
    });
    this.#poll.add(name, worker);
  }

  /** pg-boss stores what is thrown. */
  async #runSafely(job: RegisteredJob, taken: Job): Promise<void> {
    const run = job.transaction === false ? this.#runOutside(job, taken) : this.#run(job, taken);
    await run.catch((error: Error) => Promise.reject(withoutRowValues(whyEnded(job.name, error))));
  }

  /** Its work and its end are one transaction, so that what it writes is there once, however often it was tried; a tenant's runs as it. */
  async #run({ handler }: RegisteredJob, job: Job): Promise<void> {
    const work = async (em: EntityManager) => {
      await handler(job.data as never, em, { id: job.id });
      await this.#finish(job, em);
    };
    const tenantId = tenantOf(job);
    await (tenantId ? asTenant(this.em.fork(), tenantId, work) : transaction(this.em.fork(), work));
  }

  /** A tenant's statements and transactions are those of the tenant, here too. */
  async #runOutside({ handler }: RegisteredJob, job: Job): Promise<void> {
    const em = this.em.fork();
    enterScope(em, { tenantId: tenantOf(job), userId: null });
    const work = () => handler(job.data as never, RequestContext.getEntityManager() as EntityManager, { id: job.id });
    await RequestContext.create(em, work);
    await transaction(this.em.fork(), (own) => this.#finish(job, own));
  }

  async #finish(job: Job, em: EntityManager): Promise<void> {
    const response = await this.boss.deleteJob(job.name, job, { db: transactionOf(em) });
    // it is there, though the type does not say so
    const { affected } = response as { affected?: number };
    if (affected !== 1) throw new Error('The job took too long and is no longer ours');
  }

  async #bury(job: JobWithMetadata): Promise<void> {
    this.#logger.error(`The job ${job.sourceName} is dead: ${messageOf(job.sourceOutput)}`);
    await this.boss.deleteJob(job.name, job);
  }
}

/** Null for a job that is no tenant's; one on a schedule has no data. */
function tenantOf(job: Job): string | null {
  return ((job.data ?? {}) as { tenantId?: string }).tenantId ?? null;
}
