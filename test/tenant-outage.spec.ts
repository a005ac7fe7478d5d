import { beforeAll, describe, expect, it } from '@jest/globals';
import { Module } from '@nestjs/common';
import { ormOptions, ownerOptions } from '../mikro-orm.config.ts';
import { modulesOf, requestChain } from '../src/app.module.ts';
import { readSettings } from '../src/config/index.ts';
import { DatabaseModule } from '../src/database/index.ts';
import { startApp, type TestApp } from './support/app.ts';
import { TestClerk } from './support/clerk.ts';
import { aMember, anAdmin, type Member, meet, rowsOf } from './support/tenants.ts';

const CONNECTIONS = 5;
const INVITATIONS = 50;
const READERS = 4;
/** How long a call waits for Clerk. */
const WAIT_MS = 2000;
/** What so many invitations at once cost by themselves, until those that are left wait for Clerk. */
const RUSH_MS = 500;
/** Ends before the wait does, so that reads which Clerk holds up are all there is. */
const MEASURED_MS = 1000;
/** How many times as long as else a list may take, and what a busy machine adds. */
const TIMES = 5;
const NOISE_MS = 250;

let clerk: TestClerk;
let app: TestApp;

beforeAll(async () => {
  clerk = await TestClerk.start();
  const withSmallPool = (env: Record<string, string>) => {
    const settings = readSettings(env);
    const options = { ...ormOptions(settings.databaseUrl), pool: { min: 0, max: CONNECTIONS } };
    const small = DatabaseModule.with(options, ownerOptions(settings.databaseOwnerUrl));
    const imports = modulesOf(settings).map((module) => (isDatabase(module) ? small : module));
    @Module({ imports, providers: requestChain })
    class TestModule {}
    return TestModule;
  };
  app = await startApp(clerk, {}, undefined, withSmallPool);
});

const isDatabase = (module: object) => 'module' in module && module.module === DatabaseModule;
const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

interface Measured {
  times: number[];
  statuses: Set<number>;
}

/** Reads as others do, one request after the other each, and how long each took. */
async function reading(others: Member[], ms: number): Promise<Measured> {
  const measured: Measured = { times: [], statuses: new Set() };
  const end = performance.now() + ms;
  const read = async (member: Member) => {
    while (performance.now() < end) {
      const began = performance.now();
      const { status } = await app.as(member.token(), '/v1/projects');
      measured.times.push(performance.now() - began);
      measured.statuses.add(status);
    }
  };
  await Promise.all(others.map(read));
  return measured;
}

function quantile({ times }: Measured, q: number): number {
  return times.toSorted((a, b) => a - b)[Math.floor(times.length * q)] ?? Number.NaN;
}

const figures = (measured: Measured) =>
  `${measured.times.length} requests, p50 ${quantile(measured, 0.5).toFixed(1)} ms, p99 ${quantile(measured, 0.99).toFixed(1)} ms`;

/** What holds a connection without working. */
const idleInTransaction = () =>
  app.database.query(
    `select pid, query from pg_stat_activity
     where datname = current_database() and state like 'idle in transaction%' and now() - state_change > interval '100 ms'`,
  );

describe('while Clerk hangs and many invite', () => {
  it('others read as ever, no transaction waits for Clerk, and the invitations end as 503', async () => {
    const ours = anAdmin(clerk);
    const others = Array.from({ length: READERS }, () => aMember(clerk));
    for (const member of [ours, ...others]) await meet(app, member.token());
    expect(app.orm.config.get('pool')).toMatchObject({ max: CONNECTIONS });
    await reading(others, 500);
    const without = await reading(others, MEASURED_MS);
    clerk.behaviour = 'hangs';
    const before = await rowsOf(app.database, ours.organization);
    const began = performance.now();
    const inviting = Promise.all(
      Array.from({ length: INVITATIONS }, (_, i) =>
        app
          .as(ours.token(), '/v1/tenant/invitations', { method: 'POST', body: { email: `x${i}@example.com` } })
          .then(({ status, body, headers }) => ({
            answer: [status, body.code, headers['retry-after']],
            at: performance.now() - began,
          })),
      ),
    );
    while (clerk.callsTo('/v1/organizations') < CONNECTIONS) await pause(10);
    const measuring = pause(RUSH_MS).then(() => reading(others, MEASURED_MS));
    const idle: object[] = [];
    const connections: number[] = [];
    while (performance.now() - began < WAIT_MS + RUSH_MS) {
      idle.push(...(await idleInTransaction()));
      const [row] = await app.database.query<{ n: number }>(
        `select count(*)::int as n from pg_stat_activity
         where datname = current_database() and usename <> current_user and backend_type = 'client backend' and query not like 'listen %'`,
      );
      connections.push(row?.n ?? 0);
      await pause(50);
    }
    const during = await measuring;
    const invited = await inviting;
    clerk.behaviour = 'answers';
    console.info(
      `without: ${figures(without)}\nClerk hangs: ${figures(during)}; invitations answered within ${Math.max(...invited.map(({ at }) => at)).toFixed(0)} ms, ${invited.filter(({ at }) => at > 1500).length} of ${INVITATIONS} waited for Clerk; connections at most ${Math.max(...connections)}`,
    );
    expect(new Set(invited.map(({ answer }) => JSON.stringify(answer)))).toEqual(new Set(['[503,"unavailable","5"]']));
    expect(invited.filter(({ at }) => at > 1500).length).toBeGreaterThanOrEqual(CONNECTIONS + 1);
    expect([without.statuses, during.statuses]).toEqual([new Set([200]), new Set([200])]);
    expect(idle).toEqual([]);
    expect(quantile(during, 0.99)).toBeLessThan(WAIT_MS / 2);
    expect(quantile(during, 0.99)).toBeLessThan(TIMES * quantile(without, 0.99) + NOISE_MS);
    expect(await rowsOf(app.database, ours.organization)).toEqual(before);
  });
});
