import { execFile, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { Client } from 'pg';
import { call } from '../support/http.ts';
import { anAdmin, type Me } from '../support/tenants.ts';
import { type Bench, CONNECTIONS, cycle, line, load, median, report, startServer, takeTurns } from './kit.ts';

const PAYERS = 1000;
const REQUESTS = 3000;
const ROUNDS = 9;
const HOT_ROUNDS = 5;
const ROUND_MS = 2000;
/** Of each client of pgbench; not for a time, which to connect is part of. */
const UPDATES = 100;

type Ask = <Row extends object>(sql: string, parameters?: unknown[]) => Promise<Row[]>;

/** What `@Consumes` costs a route, and what a payer with many at once costs the database. */
export async function benchQuota({ clerk, env, postgres }: Bench): Promise<void> {
  const { pathname } = new URL(postgres.url);
  const admin = new Client({ connectionString: Object.assign(new URL(postgres.adminUrl), { pathname }).href });
  await admin.connect();
  const ask: Ask = async (sql, parameters = []) => (await admin.query(sql, parameters)).rows;
  const server = await startServer('app quota', env);
  const exp = Math.floor(Date.now() / 1000) + 1800;
  const members = Array.from({ length: PAYERS + 1 }, () => anAdmin(clerk));
  const tokens = members.map(({ user, organization }) => clerk.aTokenIn(organization, user, { exp }));
  console.log(`Meeting ${PAYERS} payers…`);
  const payers: string[] = [];
  for (const token of tokens) payers.push(await meet(server, token));
  await ask(TABLES);
  await allowMuch(ask, { id: payers[0] ?? '', clerkId: members[0]?.organization.id ?? '' });
  await routes(server, tokens.slice(1), ask);
  await hot({ server, token: tokens[0] ?? '', payer: payers[0] ?? '', url: postgres.url, ask });
  await admin.end();
}

async function routes(server: string, tokens: string[], ask: Ask): Promise<void> {
  const [plain, consumed] = [cycle(tokens), cycle(tokens)];
  const variants = {
    'one UPDATE in its transaction': () => rate(`${server}/bench/plain`, plain),
    'the same, @Consumes': () => rate(`${server}/bench/consumed`, consumed),
  };
  const measured = await takeTurns(variants, ROUNDS);
  const [without = 0, withQuota = 0] = Object.values(measured).map(median);
  console.log(`\nA route, requests/s over ${PAYERS} payers (median of ${ROUNDS} rounds of ${REQUESTS})`);
  for (const [name, values] of Object.entries(measured)) line(name, median(values).toFixed(0));
  report('@Consumes / one UPDATE', withQuota / without, 0.5);
  const [sums] = await ask<{ used: string; done: string; held: string }>(
    `select (select sum(used) from usage) as used, (select sum(n) from bench_rows) as done,
       (select count(*) from usage_reservations) as held`,
  );
  // both routes have done as much, and one of them is counted
  const [used, due] = [Number(sums?.used), Number(sums?.done) / 2];
  exact(`${used} counted of ${due}`, used === due && sums?.held === '0');
}

interface Hot {
  server: string;
  token: string;
  payer: string;
  url: string;
  ask: Ask;
}

/** One row that all want. */
async function hot({ server, token, payer, url, ask }: Hot): Promise<void> {
  let consumed = 0;
  const consume = async () => {
    const { status, body } = await post(`${server}/bench/hot`, token);
    if (status !== 201) throw new Error(`${status} ${JSON.stringify(body)}`);
    consumed += Number(body.consumed);
    return Number(body.perSecond);
  };
  const isPgbench = spawnSync('pgbench', ['--version']).status === 0;
  const baseline = `UPDATE of one row, ${isPgbench ? 'pgbench' : 'pg clients: there is no pgbench'}`;
  const update = () => (isPgbench ? pgbench(url) : clients(url));
  const measured = await takeTurns({ 'usage.consume, exact': consume, [baseline]: update }, HOT_ROUNDS);
  const [ours = 0, theirs = 0] = Object.values(measured).map(median);
  console.log(
    `\nOne hot payer, per second, ${CONNECTIONS} at once (median of ${HOT_ROUNDS} rounds of ${ROUND_MS / 1000} s)`,
  );
  for (const [name, values] of Object.entries(measured)) line(name, median(values).toFixed(0));
  report('usage.consume / UPDATE of one row', ours / theirs, 1);
  const [row] = await ask<{ used: string }>('select used from usage where owner_id = $1', [payer]);
  exact(`${row?.used} counted of ${consumed}`, Number(row?.used) === consumed);
}

/** More than it can consume, and a limit all the same. */
async function allowMuch(ask: Ask, { id, clerkId }: { id: string; clerkId: string }): Promise<void> {
  await ask(
    `insert into entitlement_overrides (id, owner_id, feature, is_granted, "limit", reason)
     values (gen_random_uuid(), $1, 'projects.create', true, 1000000000, 'a benchmark')`,
    [id],
  );
  await ask("insert into changes (topic, key) values ('billing', $1)", [clerkId]);
}

function exact(what: string, isExact: boolean): void {
  line('exact', isExact ? 'yes' : 'NO');
  if (!isExact) throw new Error(`Not exact: ${what}`);
}

async function rate(url: string, token: () => string): Promise<number> {
  const began = performance.now();
  let lastAt = began;
  const setup = (request: object) => ({
    ...request,
    method: 'POST' as const,
    headers: { authorization: `Bearer ${token()}` },
  });
  await load(url, setup, { amount: REQUESTS }, () => (lastAt = performance.now()));
  return REQUESTS / ((lastAt - began) / 1000);
}

const post = (url: string, token: string) =>
  call(url, { method: 'POST', headers: { authorization: `Bearer ${token}` } });

async function meet(server: string, token: string): Promise<string> {
  const { body } = await call(`${server}/v1/me`, { headers: { authorization: `Bearer ${token}` } });
  return (body as unknown as Me).tenant?.id ?? '';
}

/** Awaited, so that connections that are kept meanwhile are not lost without notice. */
async function pgbench(url: string): Promise<number> {
  const folder = mkdtempSync(join(tmpdir(), 'gatehouse-pgbench-'));
  try {
    const script = join(folder, 'update.sql');
    writeFileSync(script, 'update bench_hot set n = n + 1 where id = 1;\n');
    const { pathname, port, username, password } = new URL(url);
    const work = ['-n', '-M', 'prepared', '-c', String(CONNECTIONS), '-j', '2', '-t', String(UPDATES), '-f', script];
    const where = ['-h', '127.0.0.1', '-p', port, '-U', username, pathname.slice(1)];
    const env = { PATH: process.env.PATH, PGPASSWORD: password };
    const { stdout } = await promisify(execFile)('pgbench', [...work, ...where], { env });
    const perSecond = Number(/tps = ([\d.]+)/.exec(stdout)?.[1]);
    if (!perSecond) throw new Error(`pgbench failed: ${stdout}`);
    return perSecond;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Where there is no pgbench. */
async function clients(url: string): Promise<number> {
  const all = Array.from({ length: CONNECTIONS }, () => new Client({ connectionString: url }));
  await Promise.all(all.map((client) => client.connect()));
  const [began, until] = [performance.now(), performance.now() + ROUND_MS];
  let updates = 0;
  const update = async (client: Client) => {
    for (; performance.now() < until; updates++)
      await client.query({ name: 'update', text: 'update bench_hot set n = n + 1 where id = 1' });
  };
  await Promise.all(all.map(update));
  const perSecond = updates / ((performance.now() - began) / 1000);
  await Promise.all(all.map((client) => client.end()));
  return perSecond;
}

const TABLES = `
create table bench_rows (id uuid primary key, n bigint not null default 0);
insert into bench_rows (id) select id from tenants;
create table bench_hot (id int primary key, n bigint not null default 0);
insert into bench_hot values (1);
grant select, update on bench_rows, bench_hot to gatehouse`;
