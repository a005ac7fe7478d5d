import type { INestApplicationContext } from '@nestjs/common';
import { createApp } from '../app.ts';
import type { Settings } from '../config/index.ts';
import { DatabaseStartup } from '../database/index.ts';
import { Problem } from '../http/index.ts';
import { Jobs } from '../jobs/index.ts';

/** Runs work in the application, which serves nobody. Throws a Problem when the database is not ready. */
export async function withoutServer<T>(
  settings: Settings,
  work: (app: INestApplicationContext) => Promise<T>,
): Promise<T> {
  const app = await createApp({ ...settings, logLevel: 'silent' });
  // a job that ran here would tell nobody of its death
  app.get(Jobs).runsHere = false;
  try {
    await app.init();
    const { waitingFor } = app.get(DatabaseStartup);
    if (waitingFor) throw new Problem('unavailable', { detail: `Not ready, waiting for ${waitingFor}` });
    return await work(app);
  } finally {
    await app.close();
  }
}
