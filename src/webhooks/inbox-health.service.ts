import { EntityManager } from '@mikro-orm/postgresql';
import { Injectable } from '@nestjs/common';
import { Metrics } from '../http/index.ts';
import { Jobs } from '../jobs/index.ts';

/** Probes come often and from anyone: the tables are asked once in so long. */
const MAX_AGE_MS = 5000;

interface Health {
  lastEventAgeSeconds: number | null;
  failed: number;
  quarantined: number;
  unresolved: number;
  rows: number;
  bytes: number;
  deadJobs: number;
  waitingJobs: number;
}

/** What /metrics and /readyz tell of the inbox; nothing is decided by it. */
@Injectable()
export class InboxHealth {
  #read: Promise<Health> | undefined;
  #readAt = Number.NEGATIVE_INFINITY;

  constructor(
    private readonly em: EntityManager,
    private readonly jobs: Jobs,
    metrics: Metrics,
  ) {
    metrics.addDetail('webhooks', () => this.#health());
    const gauge = (name: string, help: string, figure: keyof Health) =>
      metrics.addGauge(name, help, async () => (await this.#health())[figure]);
    gauge('webhook_last_event_age_seconds', 'Since the last event that was dealt with', 'lastEventAgeSeconds');
    gauge('webhook_failed', 'Events whose core handlers failed', 'failed');
    gauge('webhook_quarantined', 'Events of another instance than ours', 'quarantined');
    gauge('webhook_unresolved', 'Events that name an object that is not known here', 'unresolved');
    gauge('inbox_rows', 'Events in the inbox: an estimate beyond 10,000', 'rows');
    gauge('inbox_bytes', 'What the inbox takes on the disk, with its indexes', 'bytes');
    gauge('jobs_dead', 'Jobs that failed for good', 'deadJobs');
    gauge('jobs_waiting', 'Jobs that wait for their turn, or for another attempt', 'waitingJobs');
  }

  #health(): Promise<Health> {
    if (this.#read && performance.now() - this.#readAt < MAX_AGE_MS) return this.#read;
    this.#readAt = performance.now();
    this.#read = this.#load();
    return this.#read;
  }

  async #load(): Promise<Health> {
    const [[inbox], { dead, waiting }] = await Promise.all([
      this.em.fork().execute<Omit<Health, 'deadJobs' | 'waitingJobs'>[]>(HEALTH),
      this.jobs.counts(),
    ]);
    const none = { lastEventAgeSeconds: null, failed: 0, quarantined: 0, unresolved: 0, rows: 0, bytes: 0 };
    return { ...none, ...inbox, deadJobs: dead, waitingJobs: waiting };
  }
}

const HEALTH = `
select count(*) filter (where status = 'failed')::int as failed,
       count(*) filter (where status = 'quarantined')::int as quarantined,
       count(*) filter (where status = 'unresolved')::int as unresolved,
       (select round(extract(epoch from now() - handled_at))::int from inbox where status in ('processed', 'ignored')
        order by received_at desc limit 1) as "lastEventAgeSeconds",
       (select greatest(count(*), (select reltuples from pg_class where oid = 'inbox'::regclass))::float
        from (select from inbox limit 10000) as counted) as rows,
       pg_total_relation_size('inbox')::float as bytes
from inbox where status in ('failed', 'quarantined', 'unresolved')`;
