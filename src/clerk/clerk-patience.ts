import type { EntityManager } from '@mikro-orm/postgresql';
import { Logger } from '@nestjs/common';
import { DelegateBackoff, handleWhen, type IRetryBackoffContext, retry } from 'cockatiel';
import type { z } from 'zod';
import type { Settings } from '../config/index.ts';
import { ClerkHttp, refuseInTransaction } from './clerk-http.ts';
import { ClerkRefusal } from './clerk-refusal.ts';
import { ClerkUnreachable } from './clerk-unreachable.ts';
import { halfOfLimit, Pace } from './pace.ts';

const TIMEOUT_MS = 30_000;
const MAX_RETRIES = 8;
const FIRST_RETRY_MS = 500;
const MAX_RETRY_MS = 15_000;

/** Reads from Clerk at half of its limit, and asks again for long, because nobody waits. */
export class ClerkPatience {
  readonly #logger = new Logger('ClerkReader');
  readonly #http: ClerkHttp;
  readonly #host: string;
  readonly #pace: Pace;
  readonly #patience = retry(handleWhen(isPassing), {
    maxAttempts: MAX_RETRIES,
    backoff: new DelegateBackoff(pauseOf),
  });

  constructor(
    private readonly em: EntityManager,
    settings: Settings,
  ) {
    this.#http = new ClerkHttp(settings);
    this.#host = new URL(settings.clerk.apiUrl).host;
    this.#pace = new Pace(halfOfLimit(settings.clerk.secretKey));
    this.#patience.onRetry(({ delay, attempt, ...result }) => {
      const again = `${Math.round(delay)} ms, retry ${attempt} of ${MAX_RETRIES}`;
      this.#logger.warn(`Clerk is asked again in ${again}: ${messageOf(result)}`);
    });
  }

  /** Throws a ClerkRefusal, a ClerkUnreachable, or what is wrong with the answer, after all tries. */
  async get<Output>(schema: z.ZodType<Output>, path: string, signal?: AbortSignal): Promise<Output> {
    refuseInTransaction(this.em);
    return this.#patience.execute(async () => {
      await this.#pace.turn(signal);
      return schema.parse(await this.#send(path, signal));
    }, signal);
  }

  /** The object, or `absent` when Clerk itself says that there is none: another's 404 is a failure. */
  async find<Output>(schema: z.ZodType<Output>, path: string, signal?: AbortSignal): Promise<Output | 'absent'> {
    try {
      return await this.get(schema, path, signal);
    } catch (error) {
      if (error instanceof ClerkRefusal && error.isAbsence) return 'absent';
      throw error;
    }
  }

  async #send(path: string, signal?: AbortSignal): Promise<unknown> {
    const signals = [AbortSignal.timeout(TIMEOUT_MS), ...(signal ? [signal] : [])];
    try {
      return await this.#http.send({ path }, AbortSignal.any(signals));
    } catch (error) {
      throw ClerkUnreachable.is(error) ? new ClerkUnreachable(this.#host, error) : error;
    }
  }
}

/** No answer, a broken one, and what Clerk says of itself pass; what it says of the call does not. */
function isPassing(error: unknown): boolean {
  return !(error instanceof ClerkRefusal) || error.isPassing;
}

function pauseOf({ attempt, result }: IRetryBackoffContext<unknown>): number {
  const asked = 'error' in result && result.error instanceof ClerkRefusal ? result.error.retryAfterMs : 0;
  return Math.max(asked, Math.min(FIRST_RETRY_MS * 2 ** (attempt - 1), MAX_RETRY_MS));
}

function messageOf(result: object): string {
  return 'error' in result && result.error instanceof Error ? result.error.message : 'no answer';
}
