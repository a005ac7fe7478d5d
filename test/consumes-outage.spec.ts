import { beforeAll, describe, expect, it } from '@jest/globals';
import { startApp, type TestApp } from './support/app.ts';
import { TestClerk } from './support/clerk.ts';
import { createDatabase } from './support/database.ts';
import { DatabaseProxy } from './support/proxy.ts';
import { until } from './support/until.ts';
import { aPayingTenant, counted, lapse, projectsOf, usageIn } from './support/usage.ts';

let clerk: TestClerk;
let app: TestApp;
let proxy: DatabaseProxy;

beforeAll(async () => {
  clerk = await TestClerk.start();
  const database = await createDatabase();
  proxy = await DatabaseProxy.start(database.url);
  app = await startApp(clerk, { DATABASE_URL: proxy.url, DATABASE_LISTEN_URL: database.url }, database);
});

/** With a project made, so that all that is remembered of it has been read. */
async function aPayer() {
  const { payer, token } = await aPayingTenant(clerk, app);
  expect((await create(token())).status).toBe(201);
  return { payer, token };
}

const create = (token: string) => app.as(token, '/v1/projects', { method: 'POST', body: { name: 'One' } });

describe('a use case whose connection is lost', () => {
  it.each<[when: string, marker: string, projects: number]>([
    ['before its commit, which is undone', 'INSERT 0 1', 1],
    ['before the answer to its commit, which stands', 'COMMIT', 2],
  ])('%s, is counted if it is done', async (_, marker, projects) => {
    const { payer, token } = await aPayer();
    proxy.holdAnswersWith(marker);
    const creating = create(token());
    await until(async () => proxy.holds && (await projectsOf(app.database, payer)) === projects);
    proxy.cut();
    proxy.release();
    proxy.mend();
    const { status, body } = await creating;
    expect([status, body.code]).toEqual([503, 'unavailable']);
    // what could not be given back over a connection that is lost too
    await lapse(app.database);
    expect(await usageIn(app).used(payer, 'projects.create')).toMatchObject({ used: projects });
    expect(await projectsOf(app.database, payer)).toBe(projects);
  });

  it('for longer than it can give back, is given back by time', async () => {
    const { payer, token } = await aPayer();
    proxy.holdAnswersWith('INSERT 0 1');
    const creating = create(token());
    await until(async () => proxy.holds);
    proxy.cut();
    proxy.release();
    expect((await creating).status).toBe(503);
    proxy.mend();
    expect(await counted(app.database, payer)).toEqual({ used: { 'projects.create': 2 }, reserved: 1 });
    await lapse(app.database);
    expect(await usageIn(app).used(payer, 'projects.create')).toMatchObject({ used: 1 });
    expect((await create(token())).status).toBe(201);
    expect(await counted(app.database, payer)).toEqual({ used: { 'projects.create': 2 }, reserved: 0 });
  });

  it('in what it reserves with is not done', async () => {
    const { payer, token } = await aPayer();
    proxy.cut();
    expect((await create(token())).status).toBe(503);
    proxy.mend();
    expect(await counted(app.database, payer)).toEqual({ used: { 'projects.create': 1 }, reserved: 0 });
  });
});
