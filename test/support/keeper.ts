/**
 * Keeps one PostgreSQL with a migrated database for a run of the tests: prints its addresses as a line of JSON, and
 * stops and removes it when standard input closes, so that nothing stays behind however the run ends.
 */
import { once } from 'node:events';
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startPostgres } from '../../local/postgres.ts';
import { ownerOptions } from '../../mikro-orm.config.ts';
import { migrate } from '../../src/database/migrations.ts';

/** Nothing of the tests must survive a crash of the machine. */
const OPTIONS = [
  'fsync=off',
  'synchronous_commit=off',
  'full_page_writes=off',
  'max_connections=300',
  'max_prepared_transactions=4',
];

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => undefined);

const folder = mkdtempSync(join(tmpdir(), 'gatehouse-test-'));
chmodSync(folder, 0o755);
process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
const postgres = await startPostgres(folder, OPTIONS);
try {
  await migrate(ownerOptions(postgres.ownerUrl));
  process.stdout.write(`${JSON.stringify(postgres)}\n`);
  await once(process.stdin.resume(), 'end');
} finally {
  await postgres.stop({ force: true });
}
