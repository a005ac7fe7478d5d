import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

declare global {
  var keeper: ChildProcess | undefined;
}

/** One PostgreSQL for the run, whose migrated database every test file clones. */
export default async function globalSetup(): Promise<void> {
  const keeper = spawn(process.execPath, [join(import.meta.dirname, 'keeper.ts')], {
    stdio: ['pipe', 'pipe', 'inherit'],
    detached: true,
  });
  globalThis.keeper = keeper;
  const [line] = (await Promise.race([once(createInterface(keeper.stdout), 'line'), failed(keeper)])) as [string];
  process.env.TEST_POSTGRES = line;
}

async function failed(keeper: ChildProcess): Promise<never> {
  const [code] = (await once(keeper, 'exit')) as [number];
  throw new Error(`PostgreSQL for the tests did not start (exit code ${code})`);
}
