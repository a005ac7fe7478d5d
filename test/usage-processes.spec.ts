import { beforeAll, describe, expect, it } from '@jest/globals';
import { environmentOf } from './support/app.ts';
import { TestClerk } from './support/clerk.ts';
import { createDatabase, type TestDatabase } from './support/database.ts';
import type { Answer } from './support/http.ts';
import { DatabaseProxy } from './support/proxy.ts';
import { ServerProcess } from './support/server.ts';
import { anAdmin } from './support/tenants.ts';
import { until } from './support/until.ts';
import {
  allowProjects,
  aPayingTenant,
  counted,
  LIMIT,
  lapse,
  projectsOf,
  startWithBook,
  usageIn,
} from './support/usage.ts';

const MAX_MS = 300_000;
const PROCESSES = 4;
const CONSUMERS = 1000;
const ALLOWED = 100;
const KILLS = 3;

let clerk: TestClerk;

beforeAll(async () => {
  clerk = await TestClerk.start();
});

/** A tenant that may create so many projects, on a database that no server has read yet. */
async function aTenant(limit: number | null) {
  const database = await createDatabase();
  const { organization, token } = anAdmin(clerk);
  const [tenant] = await database.query<{ id: string }>(
    'insert into tenants (id, clerk_id) values (gen_random_uuid(), $1) returning id',
    [organization.id],
  );
  const payer = { id: tenant?.id ?? '' };
  await allowProjects(database, payer, limit);
  return { database, env: environmentOf(clerk, database), payer, token };
}

const create = (server: ServerProcess, token: string): Promise<Answer> =>
  server.call('/v1/projects', {
    method: 'POST',
    body: { name: 'One' },
    headers: { authorization: `Bearer ${token}` },
  });

/** Asks again while the server is too busy: it has done nothing then. */
async function answered(server: ServerProcess, token: () => string): Promise<number> {
  for (;;) {
    const { status } = await create(server, token());
    if (status !== 503) return status;
  }
}

describe(`${CONSUMERS} consumers at once over ${PROCESSES} processes`, () => {
  it(
    `of which ${ALLOWED} may, are exactly ${ALLOWED} served`,
    async () => {
      const { database, env, payer, token } = await aTenant(ALLOWED);
      const servers = await Promise.all(Array.from({ length: PROCESSES }, () => ServerProcess.start(env)));
      // else they would all wait for the first connections to the database
      for (const server of servers)
        await Promise.all(Array.from({ length: 12 }, () => server.as(token(), '/v1/projects')));
      const asking = Array.from({ length: CONSUMERS }, (_, i) =>
        create(servers[i % PROCESSES] as ServerProcess, token()),
      );
      const seen = { 201: 0, 429: 0, 503: 0 };
      for (const { status } of await Promise.all(asking)) seen[status as keyof typeof seen]++;
      console.log(`${CONSUMERS} consumers over ${PROCESSES} processes, limit ${ALLOWED}: ${JSON.stringify(seen)}`);
      // none fail unless this machine is too busy; what those had reserved is then free again
      for (; seen[503] > 0; seen[503]--) {
        await lapse(database);
        seen[(await answered(servers[0] as ServerProcess, token)) as keyof typeof seen]++;
      }
      expect(seen[201] + seen[429]).toBe(CONSUMERS);
      expect(seen[201]).toBe(ALLOWED);
      expect(await counted(database, payer)).toEqual({ used: { 'projects.create': ALLOWED }, reserved: 0 });
      expect(await projectsOf(database, payer)).toBe(ALLOWED);
    },
    MAX_MS,
  );
});

describe('an idempotency key', () => {
  it('counts once, however many instances are asked at once', async () => {
    const database = await createDatabase();
    const apps = await Promise.all(Array.from({ length: PROCESSES }, () => startWithBook(clerk, { database })));
    const { payer } = await aPayingTenant(clerk, apps[0] as (typeof apps)[number]);
    const keys = Array.from({ length: 250 }, (_, i) => ({ idempotencyKey: `order-${i % 5}` }));
    const readings = await Promise.all(
      keys.map((options, i) =>
        usageIn(apps[i % PROCESSES] as (typeof apps)[number]).consume(payer, 'files.keep', 2, options),
      ),
    );
    expect(readings).toHaveLength(250);
    expect(await counted(database, payer)).toEqual({ used: { 'files.keep': LIMIT }, reserved: 0 });
  });
});

describe('a process that is killed', () => {
  it(
    'in the middle of its load neither loses nor invents a project',
    async () => {
      const { database, env, payer, token } = await aTenant(null);
      const survivor = await ServerProcess.start(env);
      let isOver = false;
      const load = async (server: ServerProcess) => {
        while (!isOver && server.isRunning) await create(server, token()).catch(() => undefined);
      };
      const surviving = Array.from({ length: 4 }, () => load(survivor));
      for (let kill = 1; kill <= KILLS; kill++) {
        const server = await ServerProcess.start(env);
        const dying = Array.from({ length: 16 }, () => load(server));
        const before = await projectsOf(database, payer);
        await until(async () => (await projectsOf(database, payer)) >= before + 60);
        await server.stop('SIGKILL');
        await Promise.all(dying);
      }
      isOver = true;
      await Promise.all(surviving);
      await noneRunsOn(database);
      const leftBehind = (await counted(database, payer)).reserved;
      await lapse(database);
      expect(await answered(survivor, token)).toBe(201);
      const projects = await projectsOf(database, payer);
      console.log(`${KILLS} × kill -9: ${projects} projects, ${leftBehind} reservations left behind`);
      expect(await counted(database, payer)).toEqual({ used: { 'projects.create': projects }, reserved: 0 });
    },
    MAX_MS,
  );

  it.each<[when: string, marker: string, projects: number]>([
    ['before its transaction commits', 'INSERT 0 1', 1],
    ['before it hears of the commit', 'COMMIT', 2],
  ])(
    '%s leaves what is counted as it is done',
    async (_, marker, projects) => {
      const { database, env, payer, token } = await aTenant(ALLOWED);
      const proxy = await DatabaseProxy.start(database.url);
      const server = await ServerProcess.start({
        ...env,
        DATABASE_URL: proxy.url,
        DATABASE_LISTEN_URL: database.url,
      });
      // what is remembered of the tenant is read with the first project
      expect(await answered(server, token)).toBe(201);
      proxy.holdAnswersWith(marker);
      const broken = create(server, token()).catch(() => 'broken off');
      const isThere = async () => proxy.holds && (await projectsOf(database, payer)) === projects;
      await until(async () => (await isThere()) && (await counted(database, payer)).used['projects.create'] === 2);
      await server.stop('SIGKILL');
      expect(await broken).toBe('broken off');
      await noneRunsOn(database);
      expect(await counted(database, payer)).toEqual({ used: { 'projects.create': 2 }, reserved: 2 - projects });
      expect(await projectsOf(database, payer)).toBe(projects);
      await lapse(database);
      const other = await ServerProcess.start(env);
      expect(await answered(other, token)).toBe(201);
      expect(await counted(database, payer)).toEqual({ used: { 'projects.create': projects + 1 }, reserved: 0 });
      expect(await projectsOf(database, payer)).toBe(projects + 1);
    },
    MAX_MS,
  );
});

/** PostgreSQL has noticed who is gone, and undone what they had begun. */
async function noneRunsOn(database: TestDatabase): Promise<void> {
  const sql =
    'select from pg_stat_activity where datname = current_database() and backend_xid is not null and pid <> pg_backend_pid()';
  await until(async () => (await database.query(sql)).length === 0);
}
