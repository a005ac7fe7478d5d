import { Inject, Injectable, Logger, type OnApplicationShutdown, type OnModuleInit } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import { createClient, ErrorReply } from '@redis/client';
import { ConsecutiveBreaker, circuitBreaker, handleWhen, TimeoutStrategy, timeout, wrap } from 'cockatiel';
import { restFor } from '../clerk/index.ts';
import { SETTINGS, type Settings } from '../config/index.ts';

const CONNECT_TIMEOUT_MS = 1000;
const RECONNECT_MS = 1000;
/** Longer than this it would be no help. */
const TIMEOUT_MS = 200;
const FAILURES_TO_OPEN = 3;
const RETRY_AFTER_MS = 2000;

type Client = ReturnType<typeof createClient>;

/** What processes share where REDIS_URL is set: a help that may be away at any time, and never an authority. */
@Injectable()
export class Redis implements OnModuleInit, OnApplicationShutdown {
  readonly #logger = new Logger(Redis.name);
  readonly #client: Client | undefined;
  /** Undefined: nothing is known yet. */
  #isAway: boolean | undefined;
  readonly #calls = wrap(
    circuitBreaker(handleWhen(isOutage), {
      halfOpenAfter: restFor(RETRY_AFTER_MS),
      breaker: new ConsecutiveBreaker(FAILURES_TO_OPEN),
    }),
    // the client ends a command that waits to be sent, not one that waits for its answer
    timeout(TIMEOUT_MS, TimeoutStrategy.Aggressive),
  );

  constructor(
    private readonly server: HttpAdapterHost,
    @Inject(SETTINGS) { redisUrl: url }: Settings,
  ) {
    if (url === undefined) return;
    const socket = { connectTimeout: CONNECT_TIMEOUT_MS, reconnectStrategy: RECONNECT_MS };
    this.#client = createClient({ url, socket, disableOfflineQueue: true });
    this.#client.on('error', (error: Error) => this.#noticeAway(error));
    this.#client.on('ready', () => this.#noticeBack());
  }

  /** Nobody waits for it; it connects again by itself. Without a server there is nobody to ask it. */
  onModuleInit(): void {
    if (this.server.httpAdapter) this.#client?.connect().catch((error: Error) => this.#noticeAway(error));
  }

  onApplicationShutdown(): void {
    if (this.#client?.isOpen) this.#client.destroy();
  }

  /** What the work gives; undefined where there is no Redis, or it does not answer at once. */
  async ask<T>(work: (client: Client) => Promise<T>): Promise<T | undefined> {
    const client = this.#client;
    if (!client?.isReady) return undefined;
    try {
      const answer = await this.#calls.execute(() => work(client));
      this.#noticeBack();
      return answer;
    } catch (error) {
      if (isOutage(error)) this.#noticeAway(error as Error);
      return undefined;
    }
  }

  #noticeAway(error: Error): void {
    if (!this.#isAway) this.#logger.warn(`Redis does not answer, each process is on its own: ${error.message}`);
    this.#isAway = true;
  }

  #noticeBack(): void {
    if (this.#isAway === false) return;
    this.#logger.log('Redis answers: what one process learned of a token of a machine serves all');
    this.#isAway = false;
  }
}

/** That what lies there is of another kind says nothing against Redis. */
function isOutage(error: unknown): boolean {
  return !(error instanceof ErrorReply);
}
