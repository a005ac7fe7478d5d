import { Injectable, Logger } from '@nestjs/common';
import { ConsecutiveBreaker, circuitBreaker, handleAll } from 'cockatiel';

const FAILURES_TO_OPEN = 3;
const RETRY_AFTER_MS = 10_000;

/** One word on whether Clerk is away, for all calls of requests: after some failures in a row nobody asks for a while. */
@Injectable()
export class ClerkBreaker {
  readonly #logger = new Logger(ClerkBreaker.name);
  /** What is thrown inside counts against Clerk; what speaks only of the call is returned. */
  readonly policy = circuitBreaker(handleAll, {
    halfOpenAfter: RETRY_AFTER_MS,
    breaker: new ConsecutiveBreaker(FAILURES_TO_OPEN),
  });

  constructor() {
    this.policy.onBreak(() => this.#logger.warn('Clerk does not answer; no calls for a while'));
    this.policy.onReset(() => this.#logger.log('Clerk answers again'));
  }
}
