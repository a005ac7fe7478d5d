import type { ClerkClient } from '@clerk/backend';
import { isClerkAPIResponseError } from '@clerk/backend/errors';
import { EntityManager } from '@mikro-orm/postgresql';
import { Inject, Injectable, Logger } from '@nestjs/common';
import { bulkhead, type IPolicy, TimeoutStrategy, timeout, wrap } from 'cockatiel';
import { SETTINGS, type Settings } from '../config/index.ts';
import { ClerkBreaker } from './clerk-breaker.service.ts';
import { refuseInTransaction } from './clerk-http.ts';
import { clerkSdk } from './clerk-sdk.ts';
import { ClerkUser } from './clerk-user.schema.ts';
import { ClerkId } from './clerk-values.schema.ts';
import type { JsonWebKey } from './json-web-key.ts';

const TIMEOUT_MS = 2000;
/** Calls at one time; what comes beyond is not queued. */
const MAX_CALLS = 20;

/**
 * Clerk's Backend API. Every call has a time-out, and none is made while a transaction is open: it would hold rows and a
 * connection for as long as Clerk takes.
 */
@Injectable()
export class ClerkApi {
  readonly #logger = new Logger(ClerkApi.name);
  readonly #client: ClerkClient;
  readonly #timeout = timeout(TIMEOUT_MS, TimeoutStrategy.Aggressive);
  readonly #calls: IPolicy;

  constructor(
    private readonly em: EntityManager,
    breaker: ClerkBreaker,
    @Inject(SETTINGS) settings: Settings,
  ) {
    this.#client = clerkSdk(settings);
    this.#calls = wrap(bulkhead(MAX_CALLS), breaker.policy, this.#timeout);
  }

  /**
   * The user, `absent` when Clerk says that there is none of that id, or `away` when it did not answer in time, is over its
   * limit, or failed so often that no call is made for a while.
   */
  async findUser(id: string): Promise<ClerkUser | 'absent' | 'away'> {
    refuseInTransaction(this.em);
    try {
      return await this.#calls.execute(() => this.#getUser(id));
    } catch (error) {
      this.#logger.debug(`no answer for a user: ${reasonOf(error)}`);
      return 'away';
    }
  }

  /** The public keys that sign session tokens (RFC 7517). Throws when Clerk gives none. */
  async keys(): Promise<JsonWebKey[]> {
    refuseInTransaction(this.em);
    try {
      const { keys } = await this.#timeout.execute(() => this.#client.jwks.getJwks());
      if (Array.isArray(keys)) return keys;
    } catch (error) {
      throw new Error(reasonOf(error), { cause: error });
    }
    throw new Error('Clerk sent something else than a key set');
  }

  /** The id of the instance that the secret key belongs to. Throws when Clerk does not say. */
  async instanceId(): Promise<string> {
    refuseInTransaction(this.em);
    try {
      const { id } = await this.#timeout.execute(() => this.#client.instance.get());
      return ClerkId.parse(id);
    } catch (error) {
      throw new Error(reasonOf(error), { cause: error });
    }
  }

  /** That there is no such user, or that we asked too much, says nothing against Clerk; whatever else it refuses does. */
  async #getUser(id: string): Promise<ClerkUser | 'absent' | 'away'> {
    try {
      const { raw } = await this.#client.users.getUser(id);
      return ClerkUser.parse(raw);
    } catch (error) {
      if (isClerkAPIResponseError(error) && error.status === 404) return 'absent';
      if (isClerkAPIResponseError(error) && error.status === 429) return 'away';
      throw error;
    }
  }
}

/** The SDK's errors say little in their message; the status and Clerk's code do. Neither holds a secret. */
function reasonOf(error: unknown): string {
  if (!isClerkAPIResponseError(error)) return (error as Error).message;
  return `Clerk answered ${error.status ?? 'nothing'} (${error.errors[0]?.code ?? 'no code'})`;
}
