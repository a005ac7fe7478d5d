/**
 * `npm run bench [-- guard|events|revocation|tenancy|quota|entitlements]`: every figure comes from rounds that take turns within this one run, after a
 * warm-up, with the logger silent; medians and ratios are printed. Absolute rates say something of the machine, the
 * ratios of the code.
 */
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startPostgres } from '../../local/postgres.ts';
import { ownerOptions } from '../../mikro-orm.config.ts';
import { migrate } from '../../src/database/migrations.ts';
import { TestClerk } from '../support/clerk.ts';
import { closeAll, onClose } from '../support/closing.ts';
import { benchEntitlements } from './entitlements.ts';
import { benchEvents } from './events.ts';
import { benchGuard } from './guard.ts';
import type { Bench } from './kit.ts';
import { benchQuota } from './quota.ts';
import { benchRevocation } from './revocation.ts';
import { benchTenancy } from './tenancy.ts';

const PARTS: Record<string, (bench: Bench) => Promise<void>> = {
  revocation: benchRevocation,
  events: benchEvents,
  guard: benchGuard,
  tenancy: benchTenancy,
  quota: benchQuota,
  entitlements: benchEntitlements,
};

const chosen = process.argv.slice(2);
const unknown = chosen.filter((part) => !PARTS[part]);
if (unknown.length > 0) {
  console.error(`There is no part ${unknown.join(', ')}; there are ${Object.keys(PARTS).join(', ')}`);
  process.exit(2);
}

try {
  for (const [name, part] of Object.entries(PARTS))
    if (chosen.length === 0 || chosen.includes(name)) await part(await prepare());
} finally {
  await closeAll();
}

/** A PostgreSQL that keeps what it says it keeps, and a Clerk. */
async function prepare(): Promise<Bench> {
  const folder = mkdtempSync(join(tmpdir(), 'gatehouse-bench-'));
  chmodSync(folder, 0o755);
  onClose(async () => rmSync(folder, { recursive: true, force: true }));
  const postgres = await startPostgres(folder);
  onClose(() => postgres.stop({ force: true }));
  await migrate(ownerOptions(postgres.ownerUrl));
  const clerk = await TestClerk.start();
  const env = {
    NODE_ENV: 'production',
    HOST: '127.0.0.1',
    LOG_LEVEL: 'silent',
    DATABASE_URL: postgres.url,
    ...clerk.env,
  };
  return { clerk, postgres, env };
}
