/** `npm run local:reset`: forgets what stands in: the embedded PostgreSQL with its data, and the local Clerk's key. */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { LOCAL, LOCAL_TEMP } from './paths.ts';
import { stopPostgres } from './postgres.ts';

try {
  await stopPostgres(join(LOCAL, 'postgres'));
  for (const folder of [LOCAL, LOCAL_TEMP]) rmSync(folder, { recursive: true, force: true });
  console.log('The local state is gone; the next npm start makes it anew.');
} catch (error) {
  console.error((error as Error).message);
  process.exitCode = 1;
}
