import { setTimeout as sleep } from 'node:timers/promises';
import { EntityManager } from '@mikro-orm/postgresql';
import { Inject, Injectable } from '@nestjs/common';
import { bulkhead } from 'cockatiel';
import type { z } from 'zod';
import { SETTINGS, type Settings } from '../config/index.ts';
import { Problem, rateLimited } from '../http/index.ts';
import { ClerkBreaker } from './clerk-breaker.service.ts';
import { type ClerkCall, ClerkHttp, refuseInTransaction } from './clerk-http.ts';
import { NotAsked, problemOf } from './clerk-problem.ts';
import { ClerkRefusal } from './clerk-refusal.ts';
import { halfOfLimit, Pace } from './pace.ts';

const TIMEOUT_MS = 2000;
/** For all calls of one use case. */
const BUDGET_MS = 8000;
/** Calls at one time; what comes beyond is not queued. */
const MAX_CALLS = 20;
/** People wait: more at once than who reads everything, and less afterwards. */
const AT_ONCE = 0.5;
/** How often a call is made again that Clerk was too busy for. */
const MAX_BUSY = 2;
const PAUSE_MS = 200;

/** Until when a use case must be done with Clerk; for one that makes several calls. */
export function clerkDeadline(): number {
  return performance.now() + BUDGET_MS;
}

/**
 * Calls to Clerk for a request, writes above all: each has a time-out and a place in our half of Clerk's limit, and none is
 * made while a transaction is open. Whatever Clerk refuses is thrown as a Problem.
 */
@Injectable()
export class ClerkCalls {
  readonly #http: ClerkHttp;
  readonly #pace: Pace;
  readonly #places = bulkhead(MAX_CALLS);

  constructor(
    private readonly em: EntityManager,
    private readonly breaker: ClerkBreaker,
    @Inject(SETTINGS) settings: Settings,
  ) {
    this.#http = new ClerkHttp(settings);
    this.#pace = new Pace(halfOfLimit(settings.clerk.secretKey), AT_ONCE);
  }

  /**
   * What Clerk answers. Throws a Problem: `invalid_input`, `not_found`, `conflict` or `rate_limited` where Clerk says so, else
   * `unavailable`; after that a POST may or may not have taken effect, and the events will tell.
   */
  async send<Output>(schema: z.ZodType<Output>, call: ClerkCall, until = clerkDeadline()): Promise<Output> {
    refuseInTransaction(this.em);
    try {
      return schema.parse(await this.#untilAnswered(call, until));
    } catch (error) {
      throw problemOf(error);
    }
  }

  async #untilAnswered(call: ClerkCall, until: number): Promise<unknown> {
    if (performance.now() + TIMEOUT_MS > until) throw new NotAsked('There is no time left to call Clerk');
    let lost: unknown;
    for (let attempt = 1; ; attempt++) {
      try {
        // a place is held while Clerk is asked, and not during a pause: one tenant's would keep the others out
        return await this.#places.execute(() => this.#attempt(call, until));
      } catch (error) {
        const pause = pauseBeforeNext(error, call, attempt);
        if (isOutage(error)) lost = error;
        // who is told to come later takes it that Clerk did nothing, which the attempt before may have made it do
        if (pause === undefined || performance.now() + pause + TIMEOUT_MS > until)
          throw isBusy(error) ? (lost ?? error) : error;
        await sleep(pause);
      }
    }
  }

  async #attempt(call: ClerkCall, until: number): Promise<unknown> {
    const waitMs = this.#pace.takeOrWait();
    if (waitMs > 0) throw rateLimited(waitMs);
    const answer = await this.breaker.policy.execute(() => this.#send(call, until));
    if (answer instanceof ClerkRefusal) throw answer;
    return answer;
  }

  /**
   * A refusal that speaks of the call alone is no failure of Clerk's. Nor is a 429: Clerk also limits single objects and
   * invitations, and one tenant would turn it off for all.
   */
  async #send(call: ClerkCall, until: number): Promise<unknown> {
    const leftMs = Math.floor(until - performance.now());
    try {
      return await this.#http.send(call, AbortSignal.timeout(Math.max(Math.min(leftMs, TIMEOUT_MS), 0)));
    } catch (error) {
      if (error instanceof ClerkRefusal && (error.isOfTheCall || error.status === 429)) return error;
      throw error;
    }
  }
}

/** Undefined: it is not made again. Clerk did nothing of what it was too busy for; else a POST might be done twice. */
function pauseBeforeNext(error: unknown, { method }: ClerkCall, attempt: number): number | undefined {
  if (error instanceof ClerkRefusal && error.status === 429)
    return attempt <= MAX_BUSY && error.retryAfterMs > 0 ? error.retryAfterMs : undefined;
  return method !== 'POST' && attempt === 1 && isOutage(error) ? PAUSE_MS : undefined;
}

/** Clerk's limit, or our own half of it. */
function isBusy(error: unknown): boolean {
  return error instanceof ClerkRefusal
    ? error.status === 429
    : error instanceof Problem && error.code === 'rate_limited';
}

/** `fetch` throws a TypeError for a connection that was refused or broke off (https://fetch.spec.whatwg.org). */
function isOutage(error: unknown): boolean {
  return error instanceof ClerkRefusal ? error.status >= 500 : (error as Error).name === 'TypeError';
}
