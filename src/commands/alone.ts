import { Client } from 'pg';
import { CannotReconcile } from '../clerk/index.ts';
import { databaseConnection } from '../config/index.ts';
import { endClient } from '../database/index.ts';

const LOCK = 'gatehouse.reconcile';
const TIMEOUT_MS = 2000;

/**
 * Does the work unless another process is at it. The lock ends with the connection, however the process does; it belongs to
 * a transaction, which a connection pooler leaves to its client, and which holds nothing else.
 */
export async function alone<T>(databaseUrl: string, work: () => Promise<T>): Promise<T> {
  const client = new Client({
    ...databaseConnection(databaseUrl),
    connectionTimeoutMillis: TIMEOUT_MS,
    keepAlive: true,
  });
  // two runs at once cost calls, not rows
  client.on('error', () => undefined);
  await client.connect();
  try {
    await client.query('begin; set local idle_in_transaction_session_timeout = 0');
    const { rows } = await client.query<{ mine: boolean }>('select pg_try_advisory_xact_lock(hashtext($1)) as mine', [
      LOCK,
    ]);
    if (!rows[0]?.mine) throw new CannotReconcile('Another clerk:reconcile is running; nothing was done');
    return await work();
  } finally {
    await endClient(client);
  }
}
