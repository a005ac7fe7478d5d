import { beforeAll, describe, expect, it } from '@jest/globals';
import { Module } from '@nestjs/common';
import type { Pool } from 'pg';
import { modulesOf, requestChain } from '../src/app.module.ts';
import { readSettings } from '../src/config/index.ts';
import { transaction } from '../src/database/index.ts';
import { Jobs } from '../src/jobs/index.ts';
import { startApp, type TestApp } from './support/app.ts';
import { TestClerk } from './support/clerk.ts';
import { createDatabase } from './support/database.ts';
import { DatabaseProxy } from './support/proxy.ts';

let clerk: TestClerk;

beforeAll(async () => {
  clerk = await TestClerk.start();
});

const pause = (milliseconds: number) => new Promise((resolve) => setTimeout(resolve, milliseconds));
const poolOf = ({ orm }: TestApp): Promise<Pool> => orm.em.getConnection().getNativeClient();

type JobHandler = Parameters<Jobs['register']>[1];

async function behindProxy(): Promise<{ app: TestApp; proxy: DatabaseProxy; pool: Pool }> {
  const database = await createDatabase();
  const proxy = await DatabaseProxy.start(database.url);
  const app = await startApp(clerk, { DATABASE_URL: proxy.url, DATABASE_LISTEN_URL: database.url }, database);
  return { app, proxy, pool: await poolOf(app) };
}

/** An application with one more job, which has begun. */
async function withJob(handler: JobHandler): Promise<TestApp> {
  const app = await startApp(clerk, {}, undefined, (env) => {
    const useFactory = (jobs: Jobs) => jobs.register('running', handler);
    const running = { provide: 'running', inject: [Jobs], useFactory };
    @Module({ imports: modulesOf(readSettings(env)), providers: [...requestChain, running] })
    class WithJob {}
    return WithJob;
  });
  const jobs = app.app.get(Jobs);
  await transaction(app.orm.em.fork(), (em) => jobs.enqueue(em, 'running', {}));
  while ((await jobs.counts()).active === 0) await pause(20);
  return app;
}

describe('the pool of connections', () => {
  it('gets back those that are lost within a transaction, and closes', async () => {
    const { app, proxy, pool } = await behindProxy();
    const losing = Array.from({ length: 5 }, () =>
      transaction(app.orm.em.fork(), async (em) => {
        await em.execute('select 1');
        proxy.cut();
        await em.execute('select 1');
      }),
    );
    for (const { status } of await Promise.allSettled(losing)) expect(status).toBe('rejected');
    proxy.mend();
    while (pool.totalCount > pool.idleCount) await pause(20);
    await app.app.close();
    expect(pool.totalCount).toBe(0);
  });

  it('hands out none again that was cut without a word', async () => {
    const { app, proxy, pool } = await behindProxy();
    const ask = () => app.orm.em.fork().execute('select 1 as one');
    await ask();
    proxy.silence();
    // all that are open: those of the jobs, too
    const asking = Array.from({ length: pool.totalCount }, ask);
    for (const { status } of await Promise.allSettled(asking)) expect(status).toBe('rejected');
    proxy.speak();
    expect(await ask()).toEqual([{ one: 1 }]);
  });
});

describe('an application that is told to end', () => {
  it('lets the job that runs finish, with the database open', async () => {
    const app: TestApp = await withJob(async (_data, em) => {
      await pause(1000);
      await app.orm.em.fork().execute('select 1');
      await em.execute("insert into changes (topic, key) values ('test', 'finished')");
    });
    await app.app.close();
    expect(await app.database.query("select key from changes where topic = 'test'")).toEqual([{ key: 'finished' }]);
    const left = 'select from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()';
    expect(await app.database.query(left)).toEqual([]);
  });

  it('ends though a job never does', async () => {
    const app = await withJob(() => new Promise(() => undefined));
    const pool = await poolOf(app);
    await app.app.close();
    expect(pool.totalCount).toBe(0);
  });
});
