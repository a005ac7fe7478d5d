import { DatabaseError, type Pool, type PoolClient } from 'pg';

/** How long who holds a connection that is lost has to give it back: a query that failed with it does so at once. */
const NOTICE_MS = 100;
/** How long the end of the pool waits for what is running: a query has failed by then, or waits for nobody. */
const ENDING_MS = 10_000;
/** What pg says when no answer came within `query_timeout`. */
const OVERDUE = 'Query read timeout';

/**
 * Keeps places of the ORM's pool from being lost for ever. Kysely gives a connection back only after a `begin`, `commit`
 * or `rollback` that succeeded, and gives back as good one whose answer is overdue, to be handed out again next.
 */
export function tendPool(given: unknown): void {
  const pool = given as Pool;
  const held = new Set<PoolClient>();
  const drop = (client: PoolClient) => {
    if (held.has(client)) client.release(true);
  };
  pool.on('connect', (client) => {
    client.once('end', () => setTimeout(drop, NOTICE_MS, client).unref());
    guardQueries(client);
  });
  pool.on('acquire', (client) => held.add(client));
  pool.on('release', (_error, client) => held.delete(client));
  const end: () => Promise<void> = pool.end.bind(pool);
  pool.end = async () => {
    const patience = setTimeout(() => held.forEach(drop), ENDING_MS);
    await end().finally(() => clearTimeout(patience));
  };
}

/** Tells why no connection could be had. */
export function whenUnreachable(given: unknown, tell: (reason: string) => void): void {
  const pool = given as { connect(): Promise<PoolClient> };
  const connect = pool.connect.bind(pool);
  pool.connect = () =>
    connect().catch((error: NodeJS.ErrnoException) => {
      // a name with several addresses fails without a message
      tell(error.message || String(error.code));
      throw error;
    });
}

/**
 * Ends a connection whose answer is overdue: it may have been cut without a word. Of one that the server ended, pg says at the
 * next query only that it is not usable; this says why.
 */
function guardQueries(client: PoolClient): void {
  let ended: Error | undefined;
  client.on('error', (error) => (ended ??= error));
  const query = client.query.bind(client) as (...parameters: unknown[]) => unknown;
  const guarded = (...parameters: unknown[]): unknown => {
    const asked = query(...parameters);
    if (!(asked instanceof Promise)) return asked;
    return asked.catch((error: Error) => {
      if (error.message === OVERDUE) void (client as unknown as { end(): Promise<void> }).end();
      throw ended instanceof DatabaseError ? Object.assign(error, reasonOf(ended)) : error;
    });
  };
  client.query = guarded as PoolClient['query'];
}

function reasonOf({ message, code, severity }: DatabaseError) {
  return { message, code, severity };
}
