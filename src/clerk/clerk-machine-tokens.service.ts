import type { ClerkClient } from '@clerk/backend';
import { isClerkAPIResponseError } from '@clerk/backend/errors';
import { EntityManager } from '@mikro-orm/postgresql';
import { Inject, Injectable, Logger } from '@nestjs/common';
import { BulkheadRejectedError, bulkhead, type IPolicy, TimeoutStrategy, timeout, wrap } from 'cockatiel';
import { SETTINGS, type Settings } from '../config/index.ts';
import { ClerkBreaker } from './clerk-breaker.service.ts';
import { refuseInTransaction } from './clerk-http.ts';
import { ClerkMachineToken } from './clerk-machine-token.schema.ts';
import { clerkSdk } from './clerk-sdk.ts';
import { LIMIT_WINDOW_MS } from './pace.ts';

const TIMEOUT_MS = 2000;
/** Calls at one time, and how many more may wait. */
const MAX_CALLS = 20;
const MAX_WAITING = 200;
const MAX_BUSY_MS = 120_000;
/** What Clerk says of a token that it does not know, or that is none. */
const UNKNOWN = [400, 401, 404, 422];

/** `unknown`: it is nobody's. `away`: no answer in time, a failure, or none for a while. `busyMs`: over a limit, for so long. */
export type MachineTokenAnswer = { token: ClerkMachineToken } | 'unknown' | 'away' | { busyMs: number };

type Kind = 'api_key' | 'm2m_token' | 'oauth_token';

/** Asks Clerk about the tokens of machines, which it alone can read; each call is paid for. */
@Injectable()
export class ClerkMachineTokens {
  readonly #logger = new Logger(ClerkMachineTokens.name);
  readonly #client: ClerkClient;
  readonly #calls: IPolicy;

  constructor(
    private readonly em: EntityManager,
    breaker: ClerkBreaker,
    @Inject(SETTINGS) settings: Settings,
  ) {
    this.#client = clerkSdk(settings);
    const inTime = timeout(TIMEOUT_MS, TimeoutStrategy.Aggressive);
    this.#calls = wrap(bulkhead(MAX_CALLS, MAX_WAITING), breaker.policy, inTime);
  }

  async verify(kind: Kind, secret: string): Promise<MachineTokenAnswer> {
    refuseInTransaction(this.em);
    try {
      return await this.#calls.execute(() => this.#ask(kind, secret));
    } catch (error) {
      if (error instanceof BulkheadRejectedError) return { busyMs: LIMIT_WINDOW_MS };
      this.#logger.debug(`no answer for a token of a machine: ${(error as Error).message}`);
      return 'away';
    }
  }

  /** What speaks of the token, or of a limit, says nothing against Clerk. */
  async #ask(kind: Kind, secret: string): Promise<MachineTokenAnswer> {
    try {
      return { token: ClerkMachineToken.parse(await this.#read(kind, secret)) };
    } catch (error) {
      if (!isClerkAPIResponseError(error)) throw error;
      if (error.status === 429)
        return { busyMs: Math.min((error.retryAfter || 0) * 1000 || LIMIT_WINDOW_MS, MAX_BUSY_MS) };
      if (!UNKNOWN.includes(error.status)) throw error;
      if (error.status === 401) this.#logger.warn('Clerk refuses a machine token or our secret key (401)');
      return 'unknown';
    }
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
