import { EntityManager } from '@mikro-orm/postgresql';
import { Inject, Injectable, Logger, type OnApplicationShutdown } from '@nestjs/common';
import { Pace, tenthOfLimit } from '../clerk/index.ts';
import { SETTINGS, type Settings } from '../config/index.ts';
import { DatabaseStartup, safeMessage } from '../database/index.ts';
import { Problem } from '../http/index.ts';
import { Jobs } from '../jobs/index.ts';
import { CALL_S } from './doubts.ts';
import { findPayer } from './payer.ts';
import { SubscriptionReader } from './subscription-reader.service.ts';

const POLL_MS = 2000;
/** The first pause is that of a reading; each further one is twice as long, up to an hour. */
const MAX_PAUSE_S = 3600;

interface Due {
  clerk_id: string;
  reason: string;
  doubt_id: string;
}

/**
 * Reads again what is in doubt: outside of the event's transaction, by whichever process comes first, until it is read. Not a
 * job: those run in a transaction, and the provider is not asked in one.
 */
@Injectable()
export class Rereads implements OnApplicationShutdown {
  readonly #logger = new Logger(Rereads.name);
  /** Nobody waits: people are left most of Clerk's limit. */
  readonly #pace: Pace;
  #timer: NodeJS.Timeout | undefined;
  #running: Promise<void> = Promise.resolve();
  #isFailing = false;
  readonly #stopping = new AbortController();

  constructor(
    private readonly em: EntityManager,
    private readonly reader: SubscriptionReader,
    startup: DatabaseStartup,
    jobs: Jobs,
    @Inject(SETTINGS) { clerk }: Settings,
  ) {
    this.#pace = new Pace(tenthOfLimit(clerk.secretKey));
    startup.beforeReady(async () => {
      if (jobs.runsHere) this.#schedule();
    });
  }

  async onApplicationShutdown(): Promise<void> {
    this.#stopping.abort();
    clearTimeout(this.#timer);
    await this.#running;
  }

  #schedule(): void {
    clearTimeout(this.#timer);
    if (this.#stopping.signal.aborted) return;
    this.#timer = setTimeout(() => {
      this.#running = this.#turn().finally(() => this.#schedule());
    }, POLL_MS).unref();
  }

  async #turn(): Promise<void> {
    try {
      for (let due = await this.#claim(); due; due = await this.#claim()) {
        await this.#pace.turn(this.#stopping.signal);
        await this.#read(due);
      }
      this.#isFailing = false;
    } catch (error) {
      if (!this.#isFailing && !this.#stopping.signal.aborted)
        this.#logger.warn(`cannot look for subscriptions to read again: ${safeMessage(error)}`);
      this.#isFailing = true;
    }
  }

  /** The next one, which nobody else takes before the pause is over. */
  async #claim(): Promise<Due | undefined> {
    const [due] = await this.em.fork().execute<Due[]>(CLAIM);
    return due;
  }

  async #read({ clerk_id: clerkId, reason, doubt_id: doubtId }: Due): Promise<void> {
    try {
      const payer = await findPayer(this.em.fork(), clerkId);
      const isKnown = payer && (await this.reader.read(payer));
      // a doubt that arose meanwhile needs another reading; of whom the provider does not know the row stays, and sleeps
      const done = isKnown ? 'delete from billing_rereads' : "update billing_rereads set not_before = 'infinity'";
      await this.em.fork().execute(`${done} where clerk_id = ? and doubt_id = ?`, [clerkId, doubtId]);
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      if (error.code === 'rate_limited') throw error;
      this.#logger.warn(
        `the subscription of ${clerkId} is in doubt (${reason}) and cannot be read: ${safeMessage(error)}`,
      );
    }
  }
}

const CLAIM = `
update billing_rereads
set attempts = attempts + 1,
  not_before = now() + make_interval(secs => least(${CALL_S} * 2 ^ least(attempts, 12), ${MAX_PAUSE_S}))
where clerk_id = (
  select clerk_id from billing_rereads where not_before <= now() order by can_wait, not_before limit 1 for update skip locked)
returning clerk_id, reason, doubt_id`;
