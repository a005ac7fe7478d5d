/**
 * The reconcile command over 100,000 users, 10,000 organizations and 100,000 memberships, with faults: `npm run build && node
 * scripts/reconcile-drill.ts [USERS [ORGANIZATIONS [MEMBERSHIPS]]]`. A local Clerk, a PostgreSQL of its own with drift in it,
 * a server under traffic, users and members who come and go during the run, pages that are cut off, a 500. Prints counts and times, and ends with 1 when something is not as it must be. Nothing stays behind.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { Client } from 'pg';
import type { Directory } from '../local/clerk/directory.ts';
import { type LocalUser, localUser } from '../local/clerk/people.ts';
import { startPostgres } from '../local/postgres.ts';
import { TestClerk } from '../test/support/clerk.ts';
import { ClerkProxy, type Exchange } from '../test/support/clerk-proxy.ts';
import { closeAll } from '../test/support/closing.ts';
import { ServerProcess } from '../test/support/server.ts';
import {
  MEMBERSHIP_DRIFT,
  membershipsAlone,
  sowOrganizations,
  spoilOrganizations,
  TENANT_DRIFT,
} from './drill-organizations.ts';

const USERS = Number(process.argv[2] ?? 100_000);
const ORGANIZATIONS = Number(process.argv[3] ?? 10_000);
const MEMBERSHIPS = Number(process.argv[4] ?? 100_000);
const DRIFT = { missing: 500, older: 300, sameTime: 150, banned: 50, orphans: 5, deletedHere: 3 };
const STALE = DRIFT.older + DRIFT.sameTime + DRIFT.banned;
const COMMAND = join(import.meta.dirname, '../dist/src/commands/reconcile.js');
const CREATED = Date.UTC(2026, 0, 1);
/** Of the users so many were imported at one moment. */
const IMPORTED = 2000;
const CALLERS = 4;
/** Users whose tokens each of them uses. */
const EACH = 50;
const PAUSE_MS = 20;
const COMING_AND_GOING_MS = 300;
const CUT_PAGE = 30;
const FAILED_PAGE = 60;

type Counts = Record<string, number>;

interface Last {
  end: string;
  subjects: Record<'users' | 'organizations' | 'memberships', Counts>;
}

const folder = mkdtempSync(join(tmpdir(), 'gatehouse-drill-'));
chmodSync(folder, 0o755);
const postgres = await startPostgres(folder);
const admin = new Client({ connectionString: postgres.adminUrl.replace(/[^/]*$/, 'gatehouse') });
const gone = new Set<string>();
const failures: string[] = [];
const latencies: number[] = [];
let refused = 0;
let created = 0;
let pages = 0;
let isBusy = true;
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
  process.once(signal, () => void cleanUp().finally(() => process.exit(1)));
try {
  await drill();
} finally {
  await cleanUp();
}
for (const failure of failures) console.error(`FAILED: ${failure}`);
process.exitCode = failures.length > 0 ? 1 : 0;

async function cleanUp(): Promise<void> {
  isBusy = false;
  await closeAll();
  await admin.end();
  await postgres.stop({ force: true });
  rmSync(folder, { recursive: true, force: true });
}

async function drill(): Promise<void> {
  const clerk = await TestClerk.start();
  const proxy = await ClerkProxy.start(clerk.origin);
  const users = Array.from({ length: USERS }, (_, index) => aUser(index));
  for (const user of users) clerk.directory.users.add(user);
  sowOrganizations(clerk, users, ORGANIZATIONS, MEMBERSHIPS);
  const env = {
    LOG_LEVEL: 'warn',
    DATABASE_URL: postgres.url,
    DATABASE_OWNER_URL: postgres.ownerUrl,
    ...clerk.env,
    CLERK_API_URL: proxy.url,
  };
  const server = await ServerProcess.start(env);
  clerk.deliverEventsTo(server.url);
  await admin.connect();
  await backfill(env);
  await spoil(users);
  await spoilOrganizations(admin, users.at(-1));
  const lostMemberships = (await membershipsAlone(admin, clerk)).there - MEMBERSHIP_DRIFT.endedHere;
  await admin.query('vacuum analyze users, tenants, memberships');
  console.log(`${USERS} users at Clerk; ${JSON.stringify(DRIFT)} here`);
  console.log(`${ORGANIZATIONS} organizations; ${JSON.stringify(TENANT_DRIFT)} here`);
  console.log(`${MEMBERSHIPS} memberships; ${JSON.stringify({ ...MEMBERSHIP_DRIFT, missing: lostMemberships })} here`);

  const dry = await reconcile('dry run, nothing else going on', env, []);
  const expected = { missing: DRIFT.missing, stale: STALE, orphaned: DRIFT.orphans, revivable: DRIFT.deletedHere };
  expectCounts(dry.subjects.users, expected);
  const { missing: tenantsMissing, stale: tenantsStale, orphans, deletedHere: revivable } = TENANT_DRIFT;
  const tenants = { missing: tenantsMissing, stale: tenantsStale, orphaned: orphans, revivable };
  expectCounts(dry.subjects.organizations, tenants);
  const { stale: rolesStale, orphans: membersGone, endedHere } = MEMBERSHIP_DRIFT;
  const members = { missing: lostMemberships, stale: rolesStale, orphaned: membersGone, revivable: endedHere };
  expectCounts(dry.subjects.memberships, members);

  proxy.meddle = (exchange) => meddle(exchange);
  // the drift did not take these: their rows are touched
  const stayers = users.slice(-CALLERS * EACH);
  const traffic = Promise.all(Array.from({ length: CALLERS }, (_, index) => callOn(clerk, server, stayers, index)));
  const crowd = comeAndGo(clerk, users.slice(0, USERS / 2));
  const callsBefore = proxy.calls.length;
  const began = performance.now();
  const applied = await reconcile('--apply, with traffic, users who come and go, a cut page and a 500', env, [
    '--apply',
    '--max-deletions',
    '500',
  ]);
  const minutes = (performance.now() - began) / 60_000;
  isBusy = false;
  await Promise.all([traffic, crowd]);
  proxy.meddle = () => undefined;
  for (const [name, wanted] of Object.entries({ users: expected, organizations: tenants, memberships: members })) {
    const { missing = 0, stale = 0, orphaned = 0 } = applied.subjects[name as keyof Last['subjects']];
    const isRepaired = missing > wanted.missing * 0.9 && stale > wanted.stale * 0.9 && orphaned >= wanted.orphaned;
    expect(isRepaired, `the drift of ${name} was repaired`);
  }
  expect(minutes < 15, 'in less than 15 minutes');
  console.log(`  ${created} users created and ${gone.size} deleted meanwhile`);
  console.log(
    `  busiest 10 s: ${busiest(proxy.calls.slice(callsBefore).map(({ at }) => at))} calls, of which requests made some`,
  );
  const sorted = latencies.toSorted((a, b) => a - b);
  console.log(
    `  traffic: ${sorted.length} requests, p50 ${sorted[sorted.length >> 1]?.toFixed(1)} ms, p99 ${sorted[Math.floor(sorted.length * 0.99)]?.toFixed(1)} ms, ${refused} not answered with 200`,
  );
  expect(refused === 0, 'every request was served');
  await expectNobodyDeleted(clerk);
  const second = await reconcile('second run', env, ['--apply']);
  for (const counts of Object.values(second.subjects))
    expectCounts(counts, { missing: 0, stale: 0, orphaned: 0, unconfirmed: 0 });
  await expectNobodyDeleted(clerk);
  const alone = await membershipsAlone(admin, clerk);
  expect(
    alone.there === MEMBERSHIP_DRIFT.endedHere && alone.here === 0,
    `the same memberships: ${JSON.stringify(alone)}`,
  );

  const other = await TestClerk.start();
  const foreign = { ...env, CLERK_SECRET_KEY: other.env.CLERK_SECRET_KEY ?? '', CLERK_API_URL: other.origin };
  const refusedRun = await run(['--apply'], foreign);
  console.log(`key of another instance: exit code ${refusedRun.code}: ${refusedRun.stderr.trim()}`);
  expect(refusedRun.code === 1, 'the key of another instance is refused');
  await expectNobodyDeleted(clerk);
}

function aUser(index: number): LocalUser {
  const id = `user_drill${String(index).padStart(8, '0')}`;
  const at = CREATED + Math.max(index, IMPORTED) * 100;
  const external = index % 5 === 0 ? `customer-${index}` : null;
  return {
    ...localUser(id, 'Ada', `No ${index}`, `${id}@example.com`),
    external_id: external,
    created_at: at,
    updated_at: at,
  };
}

/** Killed half way through the users, then half way through the memberships, and gone on with. */
async function backfill(env: Record<string, string>): Promise<void> {
  await killHalfWay(env, 'users', USERS);
  await killHalfWay(env, 'memberships', MEMBERSHIPS);
  const { subjects } = await reconcile('backfill, gone on with', env, ['--apply']);
  expectCounts(subjects.users, { missing: USERS, stale: 0, orphaned: 0 });
  expectCounts(subjects.organizations, { missing: ORGANIZATIONS, stale: 0, orphaned: 0 });
  expectCounts(subjects.memberships, { missing: MEMBERSHIPS, stale: 0, orphaned: 0 });
}

async function killHalfWay(env: Record<string, string>, subject: string, total: number): Promise<void> {
  const began = performance.now();
  const child = spawn(process.execPath, [COMMAND, '--apply'], { env, stdio: 'ignore' });
  const walked = 'select from reconcile_progress where subject = $1 and walked > $2';
  while (!(await admin.query(walked, [subject, total / 2])).rowCount) await pause(PAUSE_MS);
  child.kill('SIGKILL');
  await once(child, 'close');
  console.log(`backfill: killed among the ${subject} after ${((performance.now() - began) / 1000).toFixed(1)} s`);
}

/** Takes from our copy what events that were lost would have told; memberships go with their users. */
async function spoil(users: LocalUser[]): Promise<void> {
  for (const table of ['users', 'tenants', 'memberships'])
    await admin.query(
      `update ${table} set created_at = now() - interval '1 day', updated_at = now() - interval '1 day'`,
    );
  let from = USERS / 2;
  const next = (count: number) => {
    const step = Math.floor(USERS / 2 / 1100);
    const ids = Array.from({ length: count }, () => users[(from += step)]?.id);
    return ids;
  };
  const change = (sql: string, count: number) => admin.query(sql, [next(count)]);
  const missing = next(DRIFT.missing);
  const ofMissing = 'delete from memberships where user_id in (select id from users where clerk_id = any($1))';
  await admin.query(ofMissing, [missing]);
  await admin.query('delete from users where clerk_id = any($1)', [missing]);
  await change(
    "update users set name = 'Old', clerk_updated_at = clerk_updated_at - 1 where clerk_id = any($1)",
    DRIFT.older,
  );
  await change("update users set email = 'old@example.com' where clerk_id = any($1)", DRIFT.sameTime);
  await change('update users set banned_at = now() where clerk_id = any($1)', DRIFT.banned);
  await change('update users set deleted_at = updated_at where clerk_id = any($1)', DRIFT.deletedHere);
  await admin.query(
    `insert into users (id, clerk_id, clerk_updated_at, created_at, updated_at)
     select gen_random_uuid(), 'user_orphan' || n, 1, now() - interval '1 day', now() - interval '1 day'
     from generate_series(1, $1) as n`,
    [DRIFT.orphans],
  );
}

async function reconcile(name: string, env: Record<string, string>, args: string[]): Promise<Last> {
  const began = performance.now();
  const { code, stdout, stderr } = await run(['--json', ...args], env);
  const last = stdout.trim().split('\n').at(-1) ?? '';
  console.log(`${name}: ${((performance.now() - began) / 1000).toFixed(1)} s, exit code ${code}\n  ${last}`);
  console.log(stderr.trimEnd().replaceAll(/^/gm, '    '));
  return JSON.parse(last) as Last;
}

async function run(args: string[], env: Record<string, string>) {
  const child = spawn(process.execPath, [COMMAND, ...args], { env });
  const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')]);
  return { code: child.exitCode, stdout, stderr };
}

function meddle(exchange: Exchange): void {
  const { path, body } = exchange;
  if (!/^\/v1\/(users|organizations|organization_memberships)\?order_by/.test(path)) return;
  pages++;
  if (pages % CUT_PAGE === 0 && Array.isArray(body)) exchange.body = body.slice(0, 7);
  else if (pages % CUT_PAGE === 0) exchange.body = { data: (body as { data: object[] }).data.slice(0, 7) };
  if (pages === FAILED_PAGE) exchange.status = 500;
}

/** Signed-in requests of users who stay, one after the other. */
async function callOn(clerk: TestClerk, server: ServerProcess, users: LocalUser[], caller: number): Promise<void> {
  for (let call = 0; isBusy; call++) {
    const user = users[(call % EACH) * CALLERS + caller];
    const token = clerk.aToken({ sub: user?.id });
    const began = performance.now();
    const { status } = await server.as(token, '/v1/me');
    latencies.push(performance.now() - began);
    if (status !== 200) refused++;
    await pause(PAUSE_MS);
  }
}

/** A user is created, another is deleted, a third one changes, all told by events; again and again. */
async function comeAndGo({ directory }: TestClerk, users: LocalUser[]): Promise<void> {
  for (let turn = 0; isBusy; turn++) {
    directory.createUser({ emails: [`new${turn}@example.com`], first_name: 'New' });
    created++;
    const leaver = users[(turn * 7919) % users.length];
    const changing = users[(turn * 104_729 + 1) % users.length];
    if (leaver && !gone.has(leaver.id)) directory.deleteUser(leaver.id);
    if (leaver) gone.add(leaver.id);
    if (changing && !gone.has(changing.id)) directory.updateUser(changing.id, { last_name: `Turn ${turn}` });
    joinAndLeave(directory, turn);
    await pause(COMING_AND_GOING_MS);
  }
}

/** A member leaves, the one after gets another role. */
function joinAndLeave({ organizations: { book, memberships } }: Directory, turn: number): void {
  const id = `org_drill${String((turn * 7919) % ORGANIZATIONS).padStart(6, '0')}`;
  const [leaver, promoted] = [...book.membersOf(id).all()];
  if (leaver) memberships.remove(id, leaver.user_id);
  if (promoted) memberships.changeRole(id, promoted.user_id, 'org:admin');
}

/** Who lives at Clerk lives here, but for those whom the drift deleted; and nobody else does. */
async function expectNobodyDeleted(clerk: TestClerk): Promise<void> {
  for (let tries = 0; tries < 50 && (await wrongOnes(clerk)) > 0; tries++) await pause(200);
  expect((await wrongOnes(clerk)) === 0, 'no living user is deleted, and everybody else is');
}

async function wrongOnes(clerk: TestClerk): Promise<number> {
  const { rows } = await admin.query<{ clerk_id: string }>('select clerk_id from users where deleted_at is null');
  const here = new Set(rows.map(({ clerk_id: id }) => id));
  const there = [...clerk.directory.users.all()].filter(({ id }) => !here.has(id)).length;
  return (
    Math.max(there - DRIFT.deletedHere, 0) + rows.filter(({ clerk_id: id }) => !clerk.directory.users.get(id)).length
  );
}

function busiest(times: number[]): number {
  return Math.max(...times.map((from) => times.filter((at) => at >= from && at < from + 10_000).length));
}

function expectCounts(counts: Counts, expected: Record<string, number>): void {
  for (const [kind, count] of Object.entries(expected))
    expect(counts[kind] === count, `${kind} is ${count}, not ${counts[kind]}`);
}

function expect(isSo: boolean, what: string): void {
  if (!isSo) failures.push(what);
}

async function pause(milliseconds: number): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, milliseconds));
}
