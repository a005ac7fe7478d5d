import { Injectable, Logger } from '@nestjs/common';
import { ConsecutiveBreaker, circuitBreaker, handleAll } from 'cockatiel';
import { isOutage, outageReason } from './outage.ts';
import { restFor } from './rest.ts';

const FAILURES_TO_OPEN = 3;
const RETRY_AFTER_MS = 10_000;

/** An error that says nothing about Clerk as a whole. */
class FailedCall {
  constructor(readonly error: unknown) {}
}

/** Stops the calls to Clerk for a while after some outages in a row; one for all calls of requests. */
@Injectable()
export class ClerkBreaker {
  readonly #logger = new Logger(ClerkBreaker.name);
  readonly #policy = circuitBreaker(handleAll, {
    halfOpenAfter: restFor(RETRY_AFTER_MS),
    breaker: new ConsecutiveBreaker(FAILURES_TO_OPEN),
  });
  #isAway = false;

  /**
   * Makes the call and throws what it throws. Counts only outages: any other failure concerns one call, and one tenant could
   * provoke it to stop the calls of all others.
   */
  async execute<T>(call: () => Promise<T>): Promise<T> {
    const result = await this.#policy.execute(() => this.#attempt(call));
    if (result instanceof FailedCall) throw result.error;
    return result;
  }

  async #attempt<T>(call: () => Promise<T>): Promise<T | FailedCall> {
    try {
      const answer = await call();
      this.#noteAnswer();
      return answer;
    } catch (error) {
      if (!isOutage(error)) {
        this.#noteAnswer();
        return new FailedCall(error);
      }
      this.#noteOutage(error);
      throw error;
    }
  }

  /** One line for each outage: requests that fail by it are many. */
  #noteOutage(error: unknown): void {
    if (!this.#isAway) this.#logger.warn(`Clerk does not answer: ${outageReason(error)}`);
    this.#isAway = true;
  }

  #noteAnswer(): void {
    if (this.#isAway) this.#logger.log('Clerk answers again');
    this.#isAway = false;
  }
}
