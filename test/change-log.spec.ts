import { beforeAll, describe, expect, it } from '@jest/globals';
import { startApp, type TestApp } from './support/app.ts';
import { TestClerk } from './support/clerk.ts';
import { createDatabase } from './support/database.ts';
import { DatabaseProxy } from './support/proxy.ts';
import { until } from './support/until.ts';

let clerk: TestClerk;

beforeAll(async () => {
  clerk = await TestClerk.start();
});

const pause = (milliseconds: number) => new Promise((resolve) => setTimeout(resolve, milliseconds));
const aLongToken = (sub: string) => clerk.aToken({ sub, exp: Math.floor(Date.now() / 1000) + 600 });
const ban = (app: TestApp, clerkId: string) =>
  app.database.query(
    `with banned as (update users set banned_at = now() where clerk_id = $1) insert into changes (topic, key) values ('user', $1)`,
    [clerkId],
  );

describe('a process that cannot follow the change log', () => {
  it('checks every verdict against the tables', async () => {
    const database = await createDatabase();
    const proxy = await DatabaseProxy.start(database.url);
    const app = await startApp(clerk, { DATABASE_URL: proxy.url }, database);
    const token = aLongToken(clerk.aUser().id);
    const { body } = await app.as(token, '/v1/me');
    // the answers to the reader of the log alone name that column
    proxy.holdAnswersWith('topic');
    await pause(2500);
    expect((await app.as(token, '/v1/me')).status).toBe(200);
    expect((await app.call('/readyz')).body.checks).toMatchObject({ changes: { status: 'down' } });
    await ban(app, (body.user as { clerkId: string }).clerkId);
    expect((await app.as(token, '/v1/me')).body.code).toBe('token_revoked');
    proxy.release();
  });

  it('serves from memory for ten seconds when the tables are away too, then answers 503, and recovers', async () => {
    const app = await startApp(clerk);
    const ada = clerk.aUser();
    const token = aLongToken(ada.id);
    // what the log told of the user after that would be forgotten, and could not be had again
    const isThere = async () => ((await app.as(token, '/v1/me')).body.user as { email?: string } | undefined)?.email;
    await until(isThere);
    await pause(1000);
    await until(isThere);
    await app.database.refuse(true);
    const gone = performance.now();
    let lastServedMs = 0;
    let answer = await app.as(token, '/v1/me');
    while (performance.now() - gone < 12_000) {
      if (answer.status === 200) lastServedMs = performance.now() - gone;
      else expect([answer.status, answer.body.code]).toEqual([503, 'unavailable']);
      await pause(100);
      answer = await app.as(token, '/v1/me');
    }
    expect(answer.status).toBe(503);
    expect(lastServedMs).toBeGreaterThan(5000);
    expect(lastServedMs).toBeLessThan(10_000);
    expect((await app.as(aLongToken(clerk.aUser().id), '/v1/me')).status).toBe(503);
    await app.database.refuse(false);
    await ban(app, ada.id);
    // a log that was read again just before the ban may serve half a second from memory
    for (answer = await app.as(token, '/v1/me'); answer.status !== 401; answer = await app.as(token, '/v1/me'))
      await pause(100);
    expect(answer.body.code).toBe('token_revoked');
    while (!(await app.call('/readyz')).body.status || (await app.call('/readyz')).status !== 200) await pause(100);
  });
});

describe('a change', () => {
  it('that rolls back is never announced, and one that commits late is', async () => {
    const app = await startApp(clerk);
    const ada = clerk.aUser();
    const token = aLongToken(ada.id);
    await app.as(token, '/v1/me');
    await app.database.query("begin; insert into changes (topic, key) values ('user', 'nobody'); rollback");
    // the id is taken first and commits after a higher one was read
    const slow = app.database.query(
      `do $$ begin
         insert into changes (topic, key) values ('user', '${ada.id}');
         update users set banned_at = now() where clerk_id = '${ada.id}';
         perform pg_sleep(1.5);
       end $$`,
    );
    await pause(200);
    await app.database.query("insert into changes (topic, key) values ('user', 'somebody')");
    await pause(800);
    expect((await app.as(token, '/v1/me')).status).toBe(200);
    await slow;
    await pause(900);
    expect((await app.as(token, '/v1/me')).body.code).toBe('token_revoked');
  });
});
