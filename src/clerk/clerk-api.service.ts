import { EntityManager } from '@mikro-orm/postgresql';
import { Inject, Injectable, Logger } from '@nestjs/common';
import { z } from 'zod';
import { SETTINGS, type Settings } from '../config/index.ts';
import { Problem } from '../http/index.ts';
import { ClerkCalls } from './clerk-calls.service.ts';
import { ClerkHttp, clerkPath, refuseInTransaction } from './clerk-http.ts';
import { ClerkRefusal } from './clerk-refusal.ts';
import { ClerkUser } from './clerk-user.schema.ts';
import { ClerkId } from './clerk-values.schema.ts';
import type { JsonWebKey } from './json-web-key.ts';
import { isUnreadable, outageReason } from './outage.ts';

const TIMEOUT_MS = 2000;

const KeySet = z.looseObject({ keys: z.array(z.unknown()).transform((keys) => keys.filter(isKey)) });
const Identified = z.looseObject({ id: ClerkId });

/**
 * What Clerk's Backend API says of a user, of its keys and of itself. Every call has a time-out, and none is made while a
 * transaction is open: it would hold rows and a connection for as long as Clerk takes.
 */
@Injectable()
export class ClerkApi {
  readonly #logger = new Logger(ClerkApi.name);
  readonly #http: ClerkHttp;

  constructor(
    private readonly em: EntityManager,
    private readonly calls: ClerkCalls,
    @Inject(SETTINGS) settings: Settings,
  ) {
    this.#http = new ClerkHttp(settings);
  }

  /**
   * The user, to complete a profile: `absent` when Clerk itself says that there is none of that id, `away` when it gives no
   * answer that counts, or too many profiles were read.
   */
  async findUser(id: string): Promise<ClerkUser | 'absent' | 'away'> {
    refuseInTransaction(this.em);
    try {
      const user = await this.calls.send(ClerkUser, { path: clerkPath`/users/${id}`, purpose: 'profile' });
      // an answer of something else than Clerk: the row of another would be made, and this user refused for want of one
      return user.id === id ? user : 'away';
    } catch (error) {
      if (isAbsent(error)) return 'absent';
      this.#logger.debug(`no answer for a user: ${(error as Error).message}`);
      return 'away';
    }
  }

  /** The user, for a request of theirs. Throws the Problems of ClerkCalls; `not_found` as above. */
  async getUser(id: string, until: number): Promise<ClerkUser> {
    return this.calls.send(ClerkUser, { path: clerkPath`/users/${id}` }, until);
  }

  /** The public keys that sign session tokens (RFC 7517). Throws when Clerk gives none. */
  async keys(): Promise<JsonWebKey[]> {
    return (await this.#read(KeySet, '/jwks')).keys;
  }

  /** The id of the instance that the secret key belongs to. Throws when Clerk does not say. */
  async instanceId(): Promise<string> {
    return (await this.#read(Identified, '/instance')).id;
  }

  /** Throws an error that tells an operator what is wrong, and holds no secret. */
  async #read<Output>(schema: z.ZodType<Output>, path: string): Promise<Output> {
    refuseInTransaction(this.em);
    try {
      return schema.parse(await this.#http.send({ path }, AbortSignal.timeout(TIMEOUT_MS)));
    } catch (error) {
      throw new Error(`${this.#http.host}${reasonOf(error)}`, { cause: error });
    }
  }
}

function isKey(key: unknown): key is JsonWebKey {
  return typeof key === 'object' && key !== null;
}

/** A 404 of something else says nothing about the user. */
function isAbsent(error: unknown): boolean {
  return error instanceof Problem && error.cause instanceof ClerkRefusal && error.cause.isAbsence;
}

function reasonOf(error: unknown): string {
  if (error instanceof ClerkRefusal && error.code) return `: ${error.message}`;
  if (error instanceof ClerkRefusal && error.status < 500)
    return ` answers ${error.status} and not as Clerk's API does: check CLERK_API_URL`;
  if (isUnreadable(error)) return " does not answer as Clerk's API does: check CLERK_API_URL";
  return ` does not answer: ${outageReason(error)}`;
}
