import { Client } from 'pg';
import { databaseConnection } from '../config/index.ts';
import { ChangePosition, type ChangeRow, type FoundRow } from './change-position.ts';
import { endClient } from './end-client.ts';

const READ_TIMEOUT_MS = 1500;

/** Reads the change log over a connection of its own, so that a busy pool never makes it stale. */
export class ChangeReader {
  readonly #url: string;
  readonly #position = new ChangePosition();
  #client: Client | undefined;
  #stopped = false;

  constructor(url: string) {
    this.#url = url;
  }

  /** Calls `take` with what is new; `missed`: there may be more than that. A failure ends the connection. */
  async read(take: (changes: ChangeRow[], missed: boolean) => void): Promise<void> {
    try {
      const client = await this.#connect();
      for (;;) {
        const { rows } = await client.query<FoundRow>(...this.#position.query());
        const { changes, more, missed } = this.#position.advance(rows);
        take(changes, missed);
        if (!more) return;
      }
    } catch (error) {
      await this.#disconnect();
      throw error;
    }
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#disconnect();
  }

  async #connect(): Promise<Client> {
    if (this.#client) return this.#client;
    const client = new Client({
      ...databaseConnection(this.#url),
      connectionTimeoutMillis: READ_TIMEOUT_MS,
      query_timeout: READ_TIMEOUT_MS,
    });
    client.on('error', () => {
      if (this.#client === client) this.#client = undefined;
    });
    await client.connect();
    this.#client = client;
    if (this.#stopped) await this.#disconnect();
    return client;
  }

  async #disconnect(): Promise<void> {
    const client = this.#client;
    this.#client = undefined;
    await endClient(client);
  }
}
