import { EntityManager } from '@mikro-orm/postgresql';
import { Injectable, Logger } from '@nestjs/common';
import { bulkhead } from 'cockatiel';
import { ClerkInstance } from '../clerk/index.ts';
import { isDatabaseUnavailable, safeMessage, transaction } from '../database/index.ts';
import { Jobs } from '../jobs/index.ts';
import { EventHandlers } from './event-handlers.service.ts';
import { Inbox } from './inbox.service.ts';
import type { InboxStatus } from './inbox-event.entity.ts';
import { IncompleteEvents } from './incomplete-events.service.ts';
import { type ReceivedEvent, subjectsOf } from './received-event.ts';
import { Replay } from './replay.service.ts';

/** Half of the connections, so that a flood of events leaves requests theirs. */
const MAX_RUNNING = 6;
const MAX_WAITING = 500;

/** What became of a delivery; `duplicate`: the event had been dealt with before. */
export type Outcome = Exclude<InboxStatus, 'failed'> | 'duplicate';

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
    private readonly incomplete: IncompleteEvents,
    private readonly replay: Replay,
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

  async #apply(em: EntityManager, received: ReceivedEvent): Promise<Outcome> {
    await this.incomplete.takeTurn(em, received);
    const event = await this.incomplete.complete(em, received);
    const { core, feature } = this.handlers.of(event.type);
    const status = this.#statusOf(event, core.length + feature.length > 0);
    if (!(await this.inbox.record(em, event, status))) {
      await this.inbox.countDeliveries(em, event.id, 1);
      return 'duplicate';
    }
    this.#tell(event, status);
    if (status !== 'quarantined' && event.clerkEvent) {
      for (const { handle } of core) await handle(event.clerkEvent, em);
      for (const { name } of feature) await this.jobs.enqueue(em, name, { eventId: event.id });
      await this.replay.settleWaiting(em, event);
    }
    await this.inbox.eraseIfDeleted(em, { id: event.id, userId: subjectsOf(event).userId });
    return status;
  }

  #statusOf(event: ReceivedEvent, isHandled: boolean): Exclude<InboxStatus, 'failed'> {
    if (this.#isForeign(event)) return 'quarantined';
    if (event.isIncomplete) return 'unresolved';
    return isHandled ? 'processed' : 'ignored';
  }

  /**
   * While ours is unknown, events of any instance are taken: whoever holds the secret is believed. Those of none are examples
   * that the dashboard sends.
   */
  #isForeign({ instanceId }: ReceivedEvent): boolean {
    return instanceId === null || (this.instance.id !== undefined && instanceId !== this.instance.id);
  }

  #tell({ id, type, instanceId }: ReceivedEvent, status: InboxStatus): void {
    if (status === 'quarantined')
      this.#logger.warn(
        `Event ${id} is of ${instanceId ? `instance ${instanceId}` : 'no instance'}, not of ours; set aside`,
      );
    if (status === 'unresolved')
      this.#logger.warn(`Event ${id} (${type}) is kept: it names an object that is not known here`);
  }

  async #fail(event: ReceivedEvent, error: Error): Promise<void> {
    const reason = safeMessage(error);
    this.#logger.error(`event ${event.id} (${event.type}) failed: ${reason}`);
    const em = this.em.fork();
    await this.inbox.record(em, event, 'failed', reason);
    await this.inbox.eraseIfDeleted(em, { id: event.id, userId: subjectsOf(event).userId });
  }
}
