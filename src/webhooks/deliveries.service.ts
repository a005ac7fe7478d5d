import { EntityManager } from '@mikro-orm/postgresql';
import { Injectable, Logger } from '@nestjs/common';
import { bulkhead } from 'cockatiel';
import { ClerkInstance } from '../clerk/index.ts';
import { isDatabaseUnavailable, safeMessage, transaction } from '../database/index.ts';
import { Jobs } from '../jobs/index.ts';
import { EventHandlers } from './event-handlers.service.ts';
import { Inbox } from './inbox.service.ts';
import type { ReceivedEvent } from './received-event.ts';

/** Half of the connections, so that a flood of events leaves requests theirs. */
const MAX_RUNNING = 6;
const MAX_WAITING = 500;

/** What became of a delivery; `duplicate`: the event had been dealt with before. */
export type Outcome = 'processed' | 'ignored' | 'quarantined' | 'duplicate';

interface Run {
  readonly outcome: Promise<Outcome>;
  /** Deliveries of the same event that came meanwhile. */
  joined: number;
}

/** Brings an event into our copy: once it is told, all its effects have committed together. */
@Injectable()
export class Deliveries {
  readonly #logger = new Logger(Deliveries.name);
  readonly #places = bulkhead(MAX_RUNNING, MAX_WAITING);
  readonly #runs = new Map<string, Run>();

  constructor(
    private readonly em: EntityManager,
    private readonly instance: ClerkInstance,
    private readonly inbox: Inbox,
    private readonly handlers: EventHandlers,
    private readonly jobs: Jobs,
  ) {}

  /**
   * One run at a time for an event, however often it is delivered: else duplicates would queue up on connections. Throws
   * what a core handler threw, once the failure is noted.
   */
  async take(event: ReceivedEvent): Promise<Outcome> {
    const running = this.#runs.get(event.id);
    if (running) {
      running.joined++;
      await running.outcome;
      return 'duplicate';
    }
    const run: Run = { outcome: this.#places.execute(() => this.#process(event)), joined: 0 };
    this.#runs.set(event.id, run);
    try {
      return await run.outcome;
    } finally {
      this.#runs.delete(event.id);
      if (run.joined > 0) await this.inbox.countDeliveries(this.em.fork(), event.id, run.joined);
    }
  }

  async #process(event: ReceivedEvent): Promise<Outcome> {
    try {
      return await transaction(this.em, (em) => this.#apply(em, event));
    } catch (error) {
      if (!isDatabaseUnavailable(error)) await this.#fail(event, error as Error);
      throw error;
    }
  }

  async #apply(em: EntityManager, event: ReceivedEvent): Promise<Outcome> {
    const { core, feature } = this.handlers.of(event.type);
    const isForeign = this.#isForeign(event);
    const status = isForeign ? 'quarantined' : core.length + feature.length > 0 ? 'processed' : 'ignored';
    if (!(await this.inbox.record(em, event, status))) {
      await this.inbox.countDeliveries(em, event.id, 1);
      return 'duplicate';
    }
    if (isForeign) this.#logger.warn(`event ${event.id} is of instance ${event.instanceId}, not of ours; set aside`);
    if (isForeign || !event.clerkEvent) return status;
    for (const { handle } of core) await handle(event.clerkEvent, em);
    for (const { name } of feature) await this.jobs.enqueue(em, name, { eventId: event.id });
    return status;
  }

  /** While ours is unknown, events of any instance are taken: whoever holds the secret is believed. */
  #isForeign({ instanceId }: ReceivedEvent): boolean {
    return instanceId !== null && this.instance.id !== undefined && instanceId !== this.instance.id;
  }

  async #fail(event: ReceivedEvent, error: Error): Promise<void> {
    const reason = safeMessage(error);
    this.#logger.error(`event ${event.id} (${event.type}) failed: ${reason}`);
    await this.inbox.record(this.em.fork(), event, 'failed', reason);
  }
}
