import type { ClerkClient } from '@clerk/backend';
import { isClerkAPIResponseError } from '@clerk/backend/errors';
import { EntityManager } from '@mikro-orm/postgresql';
import { Inject, Injectable, Logger } from '@nestjs/common';
import { BulkheadRejectedError, bulkhead, type IPolicy, TimeoutStrategy, timeout, wrap } from 'cockatiel';
import { SETTINGS, type Settings } from '../config/index.ts';
import { Metrics } from '../http/index.ts';
import { ClerkBreaker } from './clerk-breaker.service.ts';
import { refuseInTransaction } from './clerk-http.ts';
import { ClerkMachineToken } from './clerk-machine-token.schema.ts';
import { clerkSdk } from './clerk-sdk.ts';
import { isOutage } from './outage.ts';
import { fifthOfLimit, LIMIT_WINDOW_MS, Pace } from './pace.ts';

const TIMEOUT_MS = 2000;
/** With the wait for a place. */
const PATIENCE_MS = 6000;
/** Calls at one time, and how many more may wait. */
const MAX_CALLS = 20;
const MAX_WAITING = 200;
const MAX_BUSY_MS = 120_000;
/** Of the share, the part that may be asked at once. */
const AT_ONCE = 0.5;
/** What Clerk says of a token that it does not know, or that is none. */
const UNKNOWN = [400, 401, 404, 422];
/** What it says of our own key, with one of those. */
const OUR_KEY = ['clerk_key_invalid', 'authentication_invalid', 'authorization_header_format_invalid'];

/**
 * `unknown`: it is nobody's. `away`: no answer in time, a failure, or none for a while. `unclear`: an answer that says nothing
 * of the token. `busyMs`: Clerk says that we ask too much, for so long. `waitMs`: our share of its limit is used up, for so long.
 */
export type MachineTokenAnswer =
  | { token: ClerkMachineToken }
  | 'unknown'
  | 'away'
  | 'unclear'
  | { busyMs: number }
  | { waitMs: number };

type Kind = 'api_key' | 'm2m_token' | 'oauth_token';

/**
 * Asks Clerk about the tokens of machines, which it alone can read; each call is paid for. They have a share of Clerk's limit
 * apart from that of people, so that neither keeps the other out; half of it at most goes to tokens that nobody knows yet.
 */
@Injectable()
export class ClerkMachineTokens {
  readonly #logger = new Logger(ClerkMachineTokens.name);
  readonly #client: ClerkClient;
  readonly #patience: IPolicy;
  readonly #pace: Pace;
  readonly #timeout = timeout(TIMEOUT_MS, TimeoutStrategy.Aggressive);
  // a breaker of its own: while it is open good verdicts serve for longer, which nothing but an outage of this may cause
  readonly #breaker = new ClerkBreaker();
  readonly #count: (outcome: string) => void;
  #busyUntil = Number.NEGATIVE_INFINITY;

  constructor(
    private readonly em: EntityManager,
    metrics: Metrics,
    @Inject(SETTINGS) settings: Settings,
  ) {
    this.#count = metrics.addCounter(
      'machine_token_questions',
      'Questions to Clerk about tokens of machines; each is paid for',
    );
    this.#client = clerkSdk(settings);
    this.#pace = new Pace(fifthOfLimit(settings.clerk.secretKey), AT_ONCE);
    this.#patience = wrap(timeout(PATIENCE_MS, TimeoutStrategy.Aggressive), bulkhead(MAX_CALLS, MAX_WAITING));
  }

  /** Nobody is asked while Clerk has said that we ask too much. */
  async verify(kind: Kind, secret: string): Promise<MachineTokenAnswer> {
    refuseInTransaction(this.em);
    const busyMs = this.#busyUntil - performance.now();
    if (busyMs > 0) return { busyMs };
    const waitMs = this.#pace.takeOrWait();
    if (waitMs > 0) return { waitMs };
    const ask = () => this.#timeout.execute(() => this.#ask(kind, secret));
    try {
      return await this.#patience.execute(() => this.#breaker.execute(ask));
    } catch (error) {
      if (error instanceof BulkheadRejectedError) return { busyMs: LIMIT_WINDOW_MS };
      this.#logger.debug(`no answer for a token of a machine: ${(error as Error).message}`);
      return 'away';
    }
  }

  /** What is thrown is an outage; what is asked is counted, however late the answer. */
  async #ask(kind: Kind, secret: string): Promise<MachineTokenAnswer> {
    try {
      const answer = await this.#answerOf(kind, secret);
      this.#count(typeof answer === 'string' ? answer : 'token' in answer ? 'good' : 'busy');
      return answer;
    } catch (error) {
      this.#count('away');
      throw error;
    }
  }

  async #answerOf(kind: Kind, secret: string): Promise<MachineTokenAnswer> {
    try {
      const { success, data } = ClerkMachineToken.safeParse(await this.#read(kind, secret));
      return success ? { token: data } : this.#unclear('something else than a token');
    } catch (error) {
      if (!isClerkAPIResponseError(error) || isOutage(error)) throw error;
      if (error.status === 429) return this.#busy(error.retryAfter);
      const code = error.errors[0]?.code;
      // what has no code is another's answer, as of a proxy on the way: it would refuse every key there is
      if (UNKNOWN.includes(error.status) && code && !OUR_KEY.includes(code)) return 'unknown';
      return this.#unclear(`${error.status} (${code ?? 'no code'})`);
    }
  }

  #busy(retryAfterS = 0): MachineTokenAnswer {
    const busyMs = Math.min(retryAfterS * 1000 || LIMIT_WINDOW_MS, MAX_BUSY_MS);
    this.#busyUntil = performance.now() + busyMs;
    return { busyMs };
  }

  #unclear(answer: string): MachineTokenAnswer {
    this.#logger.warn(`Clerk was asked about a token of a machine and answered ${answer}`);
    return 'unclear';
  }

  #read(kind: Kind, secret: string): Promise<unknown> {
    switch (kind) {
      case 'api_key':
        return this.#client.apiKeys.verify(secret);
      case 'm2m_token':
        return this.#client.m2m.verify({ token: secret });
      case 'oauth_token':
        return this.#client.idPOAuthAccessToken.verify(secret);
      default:
        kind satisfies never;
        throw new Error('There is no such kind of token');
    }
  }
}
