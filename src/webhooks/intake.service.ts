import { Injectable, Logger } from '@nestjs/common';
import { isBulkheadRejectedError } from 'cockatiel';
import { Counter, Histogram } from 'prom-client';
import { isClerkEventType } from '../clerk/index.ts';
import { isDatabaseUnavailable } from '../database/index.ts';
import { Metrics, Problem } from '../http/index.ts';
import { Deliveries, type Outcome } from './deliveries.service.ts';
import type { ReceivedEvent } from './received-event.ts';

/** The sender gives up after 15 s; what runs on is found as a duplicate by its next attempt. */
const DEADLINE_MS = 9000;

/** Gives each delivery a bounded time, and counts what becomes of it. */
@Injectable()
export class Intake {
  readonly #logger = new Logger(Intake.name);
  readonly #outcomes: Counter<'type' | 'outcome'>;
  readonly #seconds: Histogram;

  constructor(
    private readonly deliveries: Deliveries,
    { registry }: Metrics,
  ) {
    const registers = [registry];
    this.#outcomes = new Counter({
      name: 'gatehouse_webhook_deliveries_total',
      help: 'Deliveries with a good signature, by type of event and outcome',
      labelNames: ['type', 'outcome'],
      registers,
    });
    this.#seconds = new Histogram({
      name: 'gatehouse_webhook_handling_seconds',
      help: 'From the signature to the commit',
      buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
      registers,
    });
  }

  /** Tells of what was signed and is no event that we can take, which no row of the inbox will. */
  read(id: string, reading: () => ReceivedEvent): ReceivedEvent {
    try {
      return reading();
    } catch (error) {
      this.#logger.warn(`delivery ${id} has a good signature, and was refused: ${(error as Error).message}`);
      this.#outcomes.inc({ type: 'other', outcome: 'invalid' });
      throw error;
    }
  }

  /** Throws 503 when the database is away, slow, or has enough to do: nothing is lost, the sender repeats. */
  async take(event: ReceivedEvent): Promise<void> {
    const end = this.#seconds.startTimer();
    try {
      this.#count(event, await inTime(this.deliveries.take(event)));
    } catch (error) {
      const isAway = isBulkheadRejectedError(error) || error === TOO_LATE || isDatabaseUnavailable(error);
      this.#count(event, isAway ? 'unavailable' : 'failed');
      // whatever a handler threw is no fault of the sender's
      throw new Problem(isAway ? 'unavailable' : 'internal', { cause: error });
    } finally {
      end();
    }
  }

  /** A type is the sender's text: as a label only those that handlers know, so that there are few. */
  #count({ type }: ReceivedEvent, outcome: Outcome | 'failed' | 'unavailable'): void {
    this.#outcomes.inc({ type: isClerkEventType(type) ? type : 'other', outcome });
  }
}

const TOO_LATE = new Error('The delivery takes too long');

/** cockatiel's time-out makes and aborts a signal for each call, which nothing here listens to. */
async function inTime<T>(work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(TOO_LATE), DEADLINE_MS);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}
