import { beforeAll, expect, it } from '@jest/globals';
import { newId } from '../../local/clerk/ids.ts';
import { environmentOf } from '../support/app.ts';
import { TestClerk } from '../support/clerk.ts';
import { createDatabase, type TestDatabase } from '../support/database.ts';
import { ServerProcess } from '../support/server.ts';

const COMMIT_S = 20;
const OBEYED_MS = 2000;
const GIVE_UP_MS = 30_000;

/** As a disk that stalls, or a standby that hangs: no time-out of ours bounds a COMMIT. */
const SLOW_BANS = `
  create function hang() returns trigger language plpgsql as $$ begin perform pg_sleep(${COMMIT_S}); return null; end $$;
  create constraint trigger hang after update on users deferrable initially deferred
    for each row when (new.banned_at is not null and old.banned_at is null) execute function hang()`;

let clerk: TestClerk;
let database: TestDatabase;
let servers: ServerProcess[];

beforeAll(async () => {
  clerk = await TestClerk.start();
  database = await createDatabase();
  const env = environmentOf(clerk, database);
  servers = await Promise.all([ServerProcess.start(env), ServerProcess.start(env)]);
});

const pause = (milliseconds: number) => new Promise((resolve) => setTimeout(resolve, milliseconds));

it('a ban that is acknowledged is obeyed by every process, however long its COMMIT takes', async () => {
  const [ada, bob] = [clerk.aUser(), clerk.aUser()];
  const token = clerk.aToken({ sub: ada.id, exp: Math.floor(Date.now() / 1000) + 600 });
  const asAda = () => Promise.all(servers.map(async (server) => (await server.as(token, '/v1/me')).status));
  const deliver = (server: ServerProcess, event: ReturnType<TestClerk['anEvent']>, id = newId('msg')) =>
    clerk.deliver(server.url, event, { id }).then(({ status }) => status);
  const [one, other] = servers as [ServerProcess, ServerProcess];
  for (const user of [ada, bob]) await deliver(one, clerk.anEvent('user.created', user));
  expect(await asAda()).toEqual([200, 200]);

  await database.query(SLOW_BANS);
  const ban = clerk.anEvent('user.updated', { ...ada, banned: true, updated_at: Date.now() + 1 });
  const id = newId('msg');
  const began = performance.now();
  const first = deliver(one, ban, id);
  await pause(500);
  // takes a higher id in the change log, and is there first
  expect(await deliver(other, clerk.anEvent('user.updated', { ...bob, updated_at: Date.now() + 1 }))).toBe(204);
  const answers: number[] = [];
  for (let turn = 0, status = 0; status !== 204; turn++) {
    const server = turn % 2 === 0 ? other : one;
    status = await deliver(server, ban, id);
    answers.push(status);
    await pause(status === 204 ? 0 : 500);
  }
  const acknowledged = performance.now();
  const statuses = [await first, ...answers.slice(0, -1)];
  let seen = await asAda();
  while (seen.some((status) => status !== 401) && performance.now() - acknowledged < GIVE_UP_MS) {
    await pause(20);
    seen = await asAda();
  }
  const obeyedMs = Math.round(performance.now() - acknowledged);
  console.log(
    `before the end of the COMMIT: ${statuses.join(' ')}; 204 after ${Math.round(acknowledged - began)} ms; then ${seen.join(' ')} within ${obeyedMs} ms`,
  );
  expect(new Set(statuses)).toEqual(new Set([503]));
  expect(acknowledged - began).toBeGreaterThan(COMMIT_S * 1000);
  expect(seen).toEqual([401, 401]);
  expect(obeyedMs).toBeLessThan(OBEYED_MS);
});
