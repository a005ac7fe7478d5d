import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { Agent, get, type IncomingMessage } from 'node:http';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { beforeAll, describe, expect, it } from '@jest/globals';
import { Client } from 'pg';
import { freePort } from '../local/ports.ts';
import { environmentOf } from './support/app.ts';
import { TestClerk } from './support/clerk.ts';
import { onClose } from './support/closing.ts';
import { createDatabase, type TestDatabase } from './support/database.ts';
import { ServerProcess } from './support/server.ts';

const ROOT = join(import.meta.dirname, '..');
const MIGRATION = /Migration\d{14}/;
const PRODUCTION = { NODE_ENV: 'production' };

let clerk: TestClerk;

beforeAll(async () => {
  clerk = await TestClerk.start();
});

type Environment = Record<string, string | undefined>;

/** All settings of a server on this database; undefined takes one away. */
function settingsFor(database: TestDatabase, settings: Environment = {}): Record<string, string> {
  const env: Environment = { ...environmentOf(clerk, database), LOG_LEVEL: 'warn', ...settings };
  return Object.fromEntries(Object.entries(env).filter((entry): entry is [string, string] => entry[1] !== undefined));
}

const pause = (milliseconds: number) => new Promise((resolve) => setTimeout(resolve, milliseconds));

async function until(isSo: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await isSo())) await pause(50);
}

/** Every answer that anybody got until the process ended. */
async function answersUntilTheEnd(server: ServerProcess): Promise<number[]> {
  const answers: number[] = [];
  while (server.isRunning) {
    const answer = await server.call('/healthz').catch(() => undefined);
    if (answer) answers.push(answer.status);
    await pause(20);
  }
  return answers;
}

async function reasonOf(server: ServerProcess): Promise<string> {
  const { body } = await server.call('/readyz');
  return (body.checks as { database: { reason: string } }).database.reason;
}

/** A role that may log in, with these attributes; answers its address in the database. */
async function createRole(database: TestDatabase, attributes: string): Promise<{ name: string; url: string }> {
  const name = `role_${Date.now()}_${Math.floor(Math.random() * 1e6)}`;
  await database.query(`create role ${name} login password 'secret' ${attributes}`);
  const url = new URL(database.url);
  return { name, url: Object.assign(url, { username: name, password: 'secret' }).href };
}

async function connectTo(url: string): Promise<Client> {
  const client = new Client({ connectionString: url });
  await client.connect();
  onClose(() => client.end());
  return client;
}

/** The superuser's own database, for what concerns others while nobody can enter them. */
function serverUrl(): string {
  return (JSON.parse(process.env.TEST_POSTGRES ?? '{}') as { adminUrl: string }).adminUrl;
}

async function expectUnavailable(server: ServerProcess, path: string): Promise<void> {
  const { status, headers, body } = await server.call(path);
  expect({ path, status, code: body.code }).toEqual({ path, status: 503, code: 'unavailable' });
  expect(headers['content-type']).toMatch(/^application\/problem\+json/);
  expect(Number(headers['retry-after'])).toBeGreaterThan(0);
}

/** Waits for the probes, then checks that nothing but them is answered. */
async function expectToWait(server: ServerProcess): Promise<void> {
  await server.until('/readyz', 503);
  expect((await server.call('/healthz')).body).toEqual({ status: 'ok' });
  for (const path of ['/readyz', '/v1/me', '/openapi.json', '/problems/internal', '/no/such/path'])
    await expectUnavailable(server, path);
  const { body } = await server.call('/readyz');
  expect(body.checks).toMatchObject({ database: { status: 'down', reason: expect.stringMatching(/\w/) } });
}

async function expectToServe(server: ServerProcess): Promise<void> {
  await server.until('/readyz', 200);
  expect((await server.call('/v1/me')).status).toBe(401);
  const { status, body } = await server.as(clerk.aToken({ sub: clerk.aUser().id }), '/v1/me');
  expect({ status, body }).toMatchObject({ status: 200, body: { user: { name: 'Ada Example' } } });
}

/** What lies between a process and its PostgreSQL: nothing, a server that never answers, or a way through. */
class Relay {
  readonly url: string;
  readonly #server: Server;
  readonly #port: number;
  readonly #sockets = new Set<Socket>();
  #isOpen = false;

  private constructor(databaseUrl: string, port: number) {
    const target = new URL(databaseUrl);
    this.url = Object.assign(new URL(databaseUrl), { port: String(port) }).href;
    this.#port = port;
    this.#server = createServer((client) => this.#join(client, Number(target.port)));
    onClose(async () => this.close());
  }

  static async to(databaseUrl: string): Promise<Relay> {
    return new Relay(databaseUrl, await freePort());
  }

  async listen({ isOpen }: { isOpen: boolean }): Promise<void> {
    this.#isOpen = isOpen;
    if (!this.#server.listening) await once(this.#server.listen(this.#port, '127.0.0.1'), 'listening');
  }

  close(): void {
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
  }

  #join(client: Socket, port: number): void {
    this.#sockets.add(client.on('error', () => client.destroy()));
    if (!this.#isOpen) return;
    const server = connect(port, '127.0.0.1').on('error', () => client.destroy());
    this.#sockets.add(server);
    client.pipe(server).pipe(client);
  }
}

describe('a start that cannot succeed', () => {
  it.each<[string, Environment, RegExp]>([
    [
      'DATABASE_URL is missing in production',
      { ...PRODUCTION, DATABASE_URL: undefined },
      /^ {2}DATABASE_URL: is missing/m,
    ],
    [
      'CLERK_AUTHORIZED_PARTIES is missing in production',
      { ...PRODUCTION, CLERK_AUTHORIZED_PARTIES: undefined },
      /^ {2}CLERK_AUTHORIZED_PARTIES: is missing/m,
    ],
    [
      'some settings of Clerk are there, but not its secret key',
      { CLERK_SECRET_KEY: undefined },
      /^ {2}CLERK_SECRET_KEY: is missing/m,
    ],
    [
      'some settings of Clerk are there, but none that gives the issuer',
      { CLERK_ISSUER: undefined, CLERK_PUBLISHABLE_KEY: undefined },
      /^ {2}CLERK_PUBLISHABLE_KEY: is missing/m,
    ],
    ['a setting is wrong', { TRUST_PROXY: 'true' }, /^ {2}TRUST_PROXY: must be/m],
    ['everyone is a proxy, in pieces', { TRUST_PROXY: '0.0.0.0/1,128.0.0.0/1' }, /^ {2}TRUST_PROXY: must be/m],
    [
      'the keys are of two instances',
      { ...PRODUCTION, CLERK_SECRET_KEY: 'sk_live_x' },
      /^ {2}CLERK_PUBLISHABLE_KEY: is pk_test_/m,
    ],
  ])('ends at once with a line that names the setting: %s', async (_what, settings, says) => {
    const server = await ServerProcess.spawn(settingsFor(await createDatabase(), settings));
    expect(await server.ended()).toBe(1);
    expect(server.output).toMatch(says);
    expect(server.output).not.toMatch(/^\s+at /m);
  });

  it('ends with the number of the port when something else listens there', async () => {
    const other = createServer();
    await once(other.listen(0, '127.0.0.1'), 'listening');
    onClose(async () => other.close());
    const { port } = other.address() as AddressInfo;
    const server = await ServerProcess.spawn(settingsFor(await createDatabase(), { PORT: String(port) }));
    expect(await server.ended()).toBe(1);
    expect(server.output).toMatch(new RegExp(`^PORT: ${port} is already in use`, 'm'));
    expect(server.output).not.toMatch(/^\s+at /m);
  });

  it.each<[string, (database: TestDatabase) => Promise<string>]>([
    ['is a superuser', async (database) => database.adminUrl],
    ['has BYPASSRLS', async (database) => (await createRole(database, 'bypassrls')).url],
  ])('ends before anything is served when the runtime role %s', async (_what, urlOf) => {
    const database = await createDatabase();
    const server = await ServerProcess.spawn(settingsFor(database, { DATABASE_URL: await urlOf(database) }));
    expect(await answersUntilTheEnd(server)).toEqual([]);
    expect(await server.ended()).toBe(1);
    expect(server.output).toMatch(/^DATABASE_URL: its role is superuser or BYPASSRLS/m);
    expect(server.output).not.toMatch(/^\s+at /m);
  });
});

describe('a start in production with what had better be otherwise', () => {
  it('warns of each setting once', async () => {
    const settings = { ...PRODUCTION, CORS_ORIGINS: 'http://app.example.com', METRICS_TOKEN: 'a-long-random-text' };
    const server = await ServerProcess.start(settingsFor(await createDatabase(), settings));
    const lines = server.output.split('\n').filter((line) => line.includes('"level":40'));
    const names = lines.map((line) => /"msg":"(\w+):/.exec(line)?.[1]);
    expect(names).toEqual(['CLERK_SECRET_KEY', 'CLERK_PUBLISHABLE_KEY', 'CORS_ORIGINS', 'METRICS_TOKEN']);
  });
});

describe('Node', () => {
  /** Starts the server as if by that version. */
  async function outputOf(version: string): Promise<[code: unknown, output: string]> {
    const pretend = `Object.defineProperty(process,'versions',{value:{...process.versions,node:'${version}'}})`;
    const server = await ServerProcess.spawn({ NODE_OPTIONS: `--import=data:text/javascript,${pretend}` });
    return [await server.ended(), server.output];
  }

  it.each(['18.20.4', '20.19.5', '22.16.0', '23.11.0'])('%s is refused with one line', async (version) => {
    const [code, output] = await outputOf(version);
    expect(code).toBe(1);
    expect(output).toMatch(/^Node [\d.]+ does not work: [^\n]*\n$/);
    expect(output).toContain(version);
  });

  it.each(['22.17.0', '24.0.0', '26.1.0'])('%s is taken, as the engines of package.json are', async (version) => {
    const [, output] = await outputOf(version);
    expect(output).toMatch(/^The settings are wrong:/);
    const { engines } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { engines: { node: string } };
    expect(engines.node).toBe('^22.17.0 || >=24.0.0');
  });
});

describe('settings with quotes and a line break around each', () => {
  it('are read as they are meant: a good token is served', async () => {
    const database = await createDatabase();
    const env = settingsFor(database, { HOST: '127.0.0.1' });
    const wrapped = Object.entries(env).map(([name, value]) => [name, `"${value}"\n`]);
    const server = await ServerProcess.spawn(Object.fromEntries(wrapped));
    await expectToServe(server);
    expect(server.output).not.toMatch(/Not ready/);
  });
});

describe('a database that is absent at the start', () => {
  it.each<[string, boolean]>([
    ['nothing listens at its address', false],
    ['what listens at its address never answers', true],
  ])('is waited for, and served from without a restart: %s', async (_what, isSilent) => {
    const database = await createDatabase();
    const relay = await Relay.to(database.url);
    if (isSilent) await relay.listen({ isOpen: false });
    const server = await ServerProcess.spawn(settingsFor(database, { DATABASE_URL: relay.url }));
    await expectToWait(server);
    await relay.listen({ isOpen: true });
    await expectToServe(server);
    expect((await server.call('/openapi.json')).status).toBe(200);
  });

  it('is waited for when it lets nobody in', async () => {
    const database = await createDatabase();
    await database.refuse(true);
    const server = await ServerProcess.spawn(settingsFor(database));
    await expectToWait(server);
    expect(server.output).toMatch(/not currently accepting connections/);
    await database.refuse(false);
    await expectToServe(server);
  });

  it('is waited for, and not created, when its server has none of that name', async () => {
    const database = await createDatabase();
    const name = new URL(database.url).pathname.slice(1);
    const operator = await connectTo(serverUrl());
    await operator.query(`alter database ${name} rename to ${name}_away`);
    const server = await ServerProcess.spawn(settingsFor(database, PRODUCTION));
    await expectToWait(server);
    await pause(1500);
    expect(server.output).toMatch(new RegExp(`database .*${name}.* does not exist`));
    expect(await reasonOf(server)).not.toContain(name);
    await operator.query(`alter database ${name}_away rename to ${name}`);
    await expectToServe(server);
  });

  it('is waited for when only the owner cannot reach it', async () => {
    const database = await createDatabase();
    const relay = await Relay.to(database.ownerUrl);
    const server = await ServerProcess.spawn(settingsFor(database, { DATABASE_OWNER_URL: relay.url }));
    await expectToWait(server);
    expect(server.output).toContain('ECONNREFUSED');
    await relay.listen({ isOpen: true });
    await expectToServe(server);
  });

  it('ends the process when it shows up with a role that policies do not bind', async () => {
    const database = await createDatabase();
    const role = await createRole(database, 'nobypassrls');
    await database.refuse(true);
    const server = await ServerProcess.spawn(settingsFor(database, { DATABASE_URL: role.url }));
    await server.until('/readyz', 503);
    const operator = await connectTo(serverUrl());
    await operator.query(`alter role ${role.name} bypassrls`);
    await database.refuse(false);
    expect(await server.ended()).toBe(1);
    expect(server.output).toContain('DATABASE_URL: its role is superuser or BYPASSRLS');
  });
});

describe('a start that is tried again', () => {
  it('follows the change log once, however often it was tried', async () => {
    const database = await createDatabase();
    await database.query('revoke all on verification_keys from gatehouse');
    const server = await ServerProcess.spawn(settingsFor(database));
    await server.until('/readyz', 503);
    expect(server.output).toMatch(/permission denied for table verification_keys/);
    await pause(2500);
    await database.query('grant all on verification_keys to gatehouse');
    await server.until('/readyz', 200);
    const reads = await readsOf(database);
    await pause(2000);
    expect((await readsOf(database)) - reads).toBeGreaterThan(0);
    expect((await readsOf(database)) - reads).toBeLessThan(10);
  });
});

/** How often the change log was read, as PostgreSQL counts. */
async function readsOf(database: TestDatabase): Promise<number> {
  const rows = await database.query<{ reads: number }>(
    "select (coalesce(seq_scan, 0) + coalesce(idx_scan, 0))::int as reads from pg_stat_user_tables where relname = 'changes'",
  );
  return rows[0]?.reads ?? 0;
}

describe('pending migrations', () => {
  it('are named in production, where applying them makes the process ready without a restart', async () => {
    const database = await createDatabase({ empty: true });
    const env = settingsFor(database, PRODUCTION);
    const server = await ServerProcess.spawn(env);
    await expectToWait(server);
    expect(await reasonOf(server)).toMatch(MIGRATION);
    expect(server.output).toMatch(MIGRATION);
    expect(await tablesOf(database)).toEqual([]);
    await promisify(execFile)('mikro-orm', ['migration:up'], {
      cwd: ROOT,
      env: { ...env, PATH: `${join(ROOT, 'node_modules/.bin')}:${process.env.PATH}` },
    });
    await expectToServe(server);
  });

  it('are applied by the process itself elsewhere, once, however many start together', async () => {
    const database = await createDatabase({ empty: true });
    const env = settingsFor(database);
    const servers = await Promise.all([ServerProcess.spawn(env), ServerProcess.spawn(env)]);
    for (const server of servers) await expectToServe(server);
    expect(servers.map(({ output }) => output).join('')).not.toMatch(/Not ready/);
    const names = await database.query<{ name: string }>('select name from mikro_orm_migrations');
    expect(new Set(names.map(({ name }) => name)).size).toBe(names.length);
    expect(await tablesOf(database)).toEqual(expect.arrayContaining(['changes', 'users']));
  });

  it('wait for the database to come back when it goes away while they are under way', async () => {
    const database = await createDatabase({ empty: true });
    const other = await connectTo(database.ownerUrl);
    other.on('error', () => undefined);
    await other.query("select pg_advisory_lock(hashtext('gatehouse.migrations'))");
    const server = await ServerProcess.spawn(settingsFor(database));
    const waiting =
      "select from pg_locks where locktype = 'advisory' and not granted and database = (select oid from pg_database where datname = current_database())";
    await until(async () => (await database.query(waiting)).length === 1);
    await database.refuse(true);
    await server.until('/readyz', 503);
    expect(server.isRunning).toBe(true);
    await database.refuse(false);
    await expectToServe(server);
  });
});

async function tablesOf(database: TestDatabase): Promise<string[]> {
  const rows = await database.query<{ name: string }>(
    "select tablename as name from pg_tables where schemaname = 'public' order by 1",
  );
  return rows.map(({ name }) => name);
}

describe('npm run migration:up', () => {
  /** With these settings alone. */
  const migrate = (env: Record<string, string>) =>
    promisify(execFile)(join(ROOT, 'node_modules/.bin/mikro-orm'), ['migration:up'], {
      cwd: ROOT,
      env: { PATH: process.env.PATH, ...env },
    }).catch((error: { code: number; stdout: string; stderr: string }) => error);

  it.each<[string, Record<string, string>, RegExp]>([
    ['is missing', {}, /^The settings are wrong:\n {2}DATABASE_URL: is missing.*\n$/],
    [
      'is wrong',
      { DATABASE_URL: 'postgres://127.0.0.1:1/x', DATABASE_OWNER_URL: 'mysql://x' },
      /^The settings are wrong:\n {2}DATABASE_OWNER_URL: must be.*\n$/,
    ],
    [
      'leads nowhere',
      { DATABASE_URL: 'postgres://127.0.0.1:1/x' },
      /^DATABASE_URL: no connection to the database: .*ECONNREFUSED.*\n$/,
    ],
    [
      'of the owner leads nowhere, by a name with several addresses',
      { DATABASE_URL: 'postgres://127.0.0.1:1/x', DATABASE_OWNER_URL: 'postgres://localhost:1/x' },
      /^DATABASE_OWNER_URL: no connection to the database: .*ECONNREFUSED.*\n$/,
    ],
  ])('names the setting, without help or a stack, when it %s', async (_what, env, says) => {
    const { code, stdout, stderr } = (await migrate(env)) as { code: number; stdout: string; stderr: string };
    expect([code, stdout, stderr]).toEqual([1, '', expect.stringMatching(says)]);
  });
});

describe('what Nest tells at the start of its modules and routes', () => {
  const ROLL_CALL = /"context":"(InstanceLoader|RoutesResolver|RouterExplorer)"/;

  it.each([
    ['hides the rest no more', 'info', false],
    ['is there for who debugs', 'debug', true],
  ])('%s: LOG_LEVEL=%s', async (_what, LOG_LEVEL, isTold) => {
    const server = await ServerProcess.start(settingsFor(await createDatabase(), { LOG_LEVEL }));
    expect(server.output).toContain('"Ready"');
    expect(ROLL_CALL.test(server.output)).toBe(isTold);
  });
});

describe('a runtime role that owns the tables', () => {
  it('is served, with a warning', async () => {
    const database = await createDatabase();
    const server = await ServerProcess.spawn(settingsFor(database, { DATABASE_URL: database.ownerUrl }));
    await expectToServe(server);
    expect(server.output).toContain('DATABASE_URL: its role owns the tables');
  });
});

describe('the log', () => {
  it.each<[string, string]>([
    ['127.0.0.1', 'http://127.0.0.1:'],
    ['::1', 'http://[::1]:'],
  ])('says where the server listens, that it stops, and why: %s', async (HOST, address) => {
    const server = await ServerProcess.spawn(settingsFor(await createDatabase(), { HOST, LOG_LEVEL: 'info' }));
    const { port } = new URL(server.url);
    await until(() => server.output.includes('"Ready"') && server.output.includes('Listening'));
    expect(server.output).toContain(`"msg":"Listening on ${address}${port}"`);
    expect(await server.stop('SIGINT')).toBe(0);
    expect(server.output).toContain('"msg":"Stopping: SIGINT received"');
  });
});

describe('SIGTERM', () => {
  it('ends a process that nobody asks anything, whatever connections are kept open', async () => {
    const server = await ServerProcess.start(settingsFor(await createDatabase()));
    const agent = new Agent({ keepAlive: true });
    const [response] = (await once(get(`${server.url}/healthz`, { agent }), 'response')) as [IncomingMessage];
    await once(response.resume(), 'end');
    expect([0, 'SIGTERM']).toContain(await server.stop());
  });

  it('ends a process that still waits for its database', async () => {
    const database = await createDatabase();
    await database.refuse(true);
    const server = await ServerProcess.spawn(settingsFor(database));
    await server.until('/readyz', 503);
    expect([0, 'SIGTERM']).toContain(await server.stop());
  });

  it('lets the request that is running finish and ends, though its connection is kept busy', async () => {
    const database = await createDatabase();
    const server = await ServerProcess.start(settingsFor(database));
    const other = await connectTo(database.ownerUrl);
    await other.query('begin; lock table users in access exclusive mode');
    const running = server.as(clerk.aToken({ sub: clerk.aUser().id }), '/v1/me');
    const waiting = "select from pg_locks where relation = 'users'::regclass and not granted";
    await until(async () => (await database.query(waiting)).length > 0);
    const ended = server.stop();
    const isRefused = () =>
      server.call('/readyz').then(
        () => false,
        () => true,
      );
    await until(isRefused);
    await other.query('commit');
    expect((await running).status).toBe(200);
    const deadline = performance.now() + 4000;
    while (server.isRunning && performance.now() < deadline) await isRefused();
    expect(server.isRunning).toBe(false);
    expect([0, 'SIGTERM']).toContain(await ended);
  });
});
