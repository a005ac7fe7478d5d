import { Logger } from '@nestjs/common';
import { Client } from 'pg';
import { databaseConnection } from '../config/index.ts';
import { endClient } from './end-client.ts';

/** The channel of the empty notification that follows an urgent change. */
export const WAKE_UPS = 'gatehouse_changes';

const TIMEOUT_MS = 2000;
const RECONNECT_MS = 1000;
/** How often a connection is asked whether it is still there: one that was cut without a word looks idle for ever. */
const PROBE_MS = 10_000;

/**
 * Listens for urgent changes over a direct connection, so that readers need not wait for their next turn. Nothing
 * rests on it: a wake-up that is missed, or a connection that is away, costs half a second.
 */
export class WakeUps {
  readonly #logger = new Logger(WakeUps.name);
  readonly #url: string;
  readonly #onWake: () => void;
  #client: Client | undefined;
  #timer: NodeJS.Timeout | undefined;
  #running = false;
  #failing = false;

  constructor(url: string, onWake: () => void) {
    this.#url = url;
    this.#onWake = onWake;
  }

  start(): void {
    if (this.#running) return;
    this.#running = true;
    void this.#step();
  }

  async stop(): Promise<void> {
    this.#running = false;
    clearTimeout(this.#timer);
    await this.#disconnect();
  }

  /** Connects, or asks the connection whether it lives; then again after a while. */
  async #step(): Promise<void> {
    try {
      await (this.#client?.query('select') ?? this.#connect());
      this.#failing = false;
    } catch (error) {
      // one that the end of this process cuts off is no failure
      if (!this.#failing && this.#running) this.#logger.warn(`cannot listen for wake-ups: ${(error as Error).message}`);
      this.#failing = true;
      await this.#disconnect();
    }
    clearTimeout(this.#timer);
    if (this.#running)
      this.#timer = setTimeout(() => void this.#step(), this.#failing ? RECONNECT_MS : PROBE_MS).unref();
  }

  async #connect(): Promise<void> {
    const client = new Client({
      ...databaseConnection(this.#url),
      connectionTimeoutMillis: TIMEOUT_MS,
      query_timeout: TIMEOUT_MS,
    });
    client.on('notification', this.#onWake);
    client.on('error', () => this.#lost(client));
    await client.connect();
    this.#client = client;
    await client.query(`listen ${WAKE_UPS}`);
    this.#onWake();
    if (!this.#running) await this.#disconnect();
  }

  #lost(client: Client): void {
    if (this.#client !== client) return;
    this.#client = undefined;
    clearTimeout(this.#timer);
    if (this.#running) this.#timer = setTimeout(() => void this.#step(), RECONNECT_MS).unref();
  }

  async #disconnect(): Promise<void> {
    const client = this.#client;
    this.#client = undefined;
    await endClient(client);
  }
}
