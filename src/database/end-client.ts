import { setTimeout } from 'node:timers/promises';
import type { Client } from 'pg';

const PATIENCE_MS = 1000;

/** Ends a connection that may be lost: nothing depends on how that goes, and one that was cut never confirms it. */
export async function endClient(client: Client | undefined): Promise<void> {
  const ended = client?.end().catch(() => undefined);
  await Promise.race([ended, setTimeout(PATIENCE_MS, undefined, { ref: false })]);
}
