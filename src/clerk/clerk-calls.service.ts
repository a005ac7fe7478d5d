import { setTimeout as sleep } from 'node:timers/promises';
import { EntityManager } from '@mikro-orm/postgresql';
import { Inject, Injectable } from '@nestjs/common';
import type { z } from 'zod';
import { SETTINGS, type Settings } from '../config/index.ts';
import { requestScope } from '../database/index.ts';
import { Problem, rateLimited } from '../http/index.ts';
import { CallBudget, type UserBudget, YIELD_MS } from './call-budget.ts';
import { ClerkBreaker } from './clerk-breaker.service.ts';
import { type ClerkCall, ClerkHttp, refuseInTransaction } from './clerk-http.ts';
import { NotAsked, problemOf } from './clerk-problem.ts';
import { ClerkRefusal } from './clerk-refusal.ts';
import { fifthOfLimit, halfOfLimit } from './pace.ts';

const TIMEOUT_MS = 2000;
/** For all calls of one use case. */
const BUDGET_MS = 8000;
/** How often a call is made again that Clerk was too busy for. */
const MAX_BUSY = 2;
const PAUSE_MS = 200;
/** How long a call waits for a place that others have taken. */
const PATIENCE_MS = 3000;
/** A timer may go off as much too early. */
const TIMER_MS = 1;

/** Until when a use case must be done with Clerk; for one that makes several calls. */
export function clerkDeadline(): number {
  return performance.now() + BUDGET_MS;
}

/**
 * Calls to Clerk for a request, writes above all: each has a time-out and a place in the budget of its purpose, there in that
 * of the caller, and none is made while a transaction is open. Whatever Clerk refuses is thrown as a Problem.
 */
@Injectable()
export class ClerkCalls {
  readonly #http: ClerkHttp;
  readonly #budget: CallBudget;
  /** Apart: new users get their profile however busy the others are, and the other way round. */
  readonly #profiles: CallBudget;

  constructor(
    private readonly em: EntityManager,
    private readonly breaker: ClerkBreaker,
    @Inject(SETTINGS) settings: Settings,
  ) {
    this.#http = new ClerkHttp(settings);
    this.#budget = new CallBudget(halfOfLimit(settings.clerk.secretKey));
    this.#profiles = new CallBudget(fifthOfLimit(settings.clerk.secretKey));
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
      throw problemOf(error, call);
    }
  }

  async #untilAnswered(call: ClerkCall, until: number): Promise<unknown> {
    if (performance.now() + TIMEOUT_MS > until) throw new NotAsked('There is no time left to call Clerk');
    const budget = call.purpose === 'profile' ? this.#profiles : this.#budget;
    const user = budget.of(call.purpose === 'profile' ? undefined : userOfRequest());
    let lost: unknown;
    for (let attempt = 1; ; attempt++) {
      try {
        // a place is held while Clerk is asked, and not during a pause: one tenant's would keep the others out
        return await user.places.execute(() => this.#attempt(call, until, budget, user));
      } catch (error) {
        const pause = pauseBeforeNext(error, call, attempt);
        if (isLost(error)) lost = error;
        // who is told to come later takes it that Clerk did nothing, which the attempt before may have made it do
        if (pause === undefined || performance.now() + pause + TIMEOUT_MS > until)
          throw isBusy(error) ? (lost ?? error) : error;
        await sleep(pause + TIMER_MS);
      }
    }
  }

  async #attempt(call: ClerkCall, until: number, budget: CallBudget, user: UserBudget): Promise<unknown> {
    await this.#place(call, until, budget, user);
    try {
      return await this.breaker.execute(() => this.#send(call, until));
    } catch (error) {
      // Clerk also limits writes to single objects: one tenant would stop the calls of all
      if (isTooMany(error)) budget.pause(error.retryAfterMs, (call.method ?? 'GET') === 'GET' ? undefined : user);
      throw error;
    }
  }

  /** Who has asked for little gets the next place: so a moment is enough. New users must not wait for their profile. */
  async #place({ purpose }: ClerkCall, until: number, budget: CallBudget, user: UserBudget): Promise<void> {
    const patience = purpose === 'profile' ? 0 : Math.min(performance.now() + PATIENCE_MS, until - TIMEOUT_MS);
    for (;;) {
      const waitMs = budget.takeOrWait(user);
      if (waitMs === 0) return;
      if (waitMs > YIELD_MS || performance.now() + waitMs > patience) throw rateLimited(waitMs);
      await sleep(waitMs + TIMER_MS);
    }
  }

  async #send(call: ClerkCall, until: number): Promise<unknown> {
    const leftMs = Math.floor(until - performance.now());
    return this.#http.send(call, AbortSignal.timeout(Math.max(Math.min(leftMs, TIMEOUT_MS), 0)));
  }
}

/** Who has caused the call; undefined: no request has. */
function userOfRequest(): string | undefined {
  const { userId, tenantId } = requestScope();
  return userId ?? tenantId ?? undefined;
}

/** Undefined: it is not made again. Clerk did nothing of what it was too busy for; else a POST might be done twice. */
function pauseBeforeNext(error: unknown, { method }: ClerkCall, attempt: number): number | undefined {
  if (isTooMany(error)) return attempt <= MAX_BUSY && error.retryAfterMs > 0 ? error.retryAfterMs : undefined;
  return method !== 'POST' && attempt === 1 && isLost(error) ? PAUSE_MS : undefined;
}

function isTooMany(error: unknown): error is ClerkRefusal {
  return error instanceof ClerkRefusal && error.status === 429;
}

/** Clerk's limit, or our own share of it. */
function isBusy(error: unknown): boolean {
  return isTooMany(error) || (error instanceof Problem && error.code === 'rate_limited');
}

/** `fetch` throws a TypeError for a connection that was refused or broke off (https://fetch.spec.whatwg.org). */
function isLost(error: unknown): boolean {
  return error instanceof ClerkRefusal ? error.status >= 500 : (error as Error).name === 'TypeError';
}
