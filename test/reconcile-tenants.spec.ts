import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as pause } from 'node:timers/promises';
import { beforeEach, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { aMembership, type MembershipRow } from '../local/clerk/membership.ts';
import type { LocalOrganization } from '../local/clerk/organization.ts';
import type { LocalUser } from '../local/clerk/people.ts';
import type { RoleKey } from '../local/clerk/roles.ts';
import { Unreadable, walkByOffset } from '../src/clerk/index.ts';
import { startApp } from './support/app.ts';
import type { TestClerk } from './support/clerk.ts';
import type { ClerkProxy, Exchange } from './support/clerk-proxy.ts';
import type { TestDatabase } from './support/database.ts';
import { RECONCILE, Reconciling } from './support/reconcile.ts';

interface TenantRow {
  id: string;
  clerk_id: string;
  name: string | null;
  deleted_at: Date | null;
}

interface Row {
  clerk_id: string | null;
  role: string;
  ended_at: Date | null;
  clerk_updated_at: string;
}

/** Somebody in an organization at Clerk. */
interface Member {
  user: LocalUser;
  organization: LocalOrganization;
  row: MembershipRow;
  /** As reconcile names the membership. */
  key: string;
}

const CREATED = Date.UTC(2026, 1, 1);

let reconciling: Reconciling;
let clerk: TestClerk;
let proxy: ClerkProxy;
let database: TestDatabase;
let made: number;

beforeEach(async () => {
  reconciling = await Reconciling.start();
  ({ clerk, proxy, database } = reconciling);
  made = 0;
});

const run: Reconciling['run'] = (...args) => reconciling.run(...args);
const findings: Reconciling['findings'] = (...args) => reconciling.findings(...args);

/** One a second, long ago. */
const at = () => ({ created_at: CREATED + ++made * 1000, updated_at: CREATED + made * 1000 });

function anOrganization(): LocalOrganization {
  return clerk.anOrganization({ name: `Acme ${made}`, ...at() });
}

function aMember(
  organization = anOrganization(),
  role: RoleKey = 'org:member',
  user: LocalUser = clerk.aUser(at()),
): Member {
  const row = aMembership({ organization_id: organization.id, user_id: user.id, role, ...at() });
  clerk.organizations.book.memberships.add(row);
  return { user, organization, row, key: `${organization.id}/${user.id}` };
}

/** Our copy of them is right, and knows which instance is ours. */
async function backfilled(count: number) {
  const members = Array.from({ length: count }, () => aMember());
  expect((await run(['--apply'])).code).toBe(0);
  return members as [Member, Member, Member, ...Member[]];
}

/** What Clerk did, of which no event told. */
const removeAtClerk = ({ row }: Member) => clerk.organizations.book.memberships.remove(row);
function changeRoleAtClerk({ row }: Member, role: RoleKey): void {
  clerk.organizations.book.memberships.change(row, { role, updated_at: row.updated_at + 1 });
}
function deleteAtClerk({ id }: LocalOrganization): void {
  for (const row of clerk.organizations.book.membersOf(id).all()) clerk.organizations.book.memberships.remove(row);
  clerk.organizations.book.organizations.remove(id);
}

const tenants = () => database.query<TenantRow>('select * from tenants order by clerk_id');
async function tenantOf({ id }: LocalOrganization): Promise<TenantRow | undefined> {
  return (await tenants()).find(({ clerk_id: clerkId }) => clerkId === id);
}

const OF_PAIR = `tenant_id = (select id from tenants where clerk_id = split_part($1, '/', 1))
  and user_id = (select id from users where clerk_id = split_part($1, '/', 2))`;
async function rowOf({ key }: Member): Promise<Row | undefined> {
  return (await database.query<Row>(`select * from memberships where ${OF_PAIR}`, [key]))[0];
}
const rows = () => database.query<Row>('select * from memberships order by tenant_id, user_id');

async function drift({ key }: Member, sql: string): Promise<void> {
  await database.query(`update memberships set ${sql} where ${OF_PAIR}`, [key]);
}

/** As if all that was touched had been before. */
async function letTimePass(): Promise<void> {
  for (const table of ['users', 'tenants', 'memberships'])
    await database.query(`update ${table} set updated_at = now() - interval '1 minute'`);
}

const isList = ({ path }: Exchange) => /^\/v1\/organization(s|_memberships)\?order_by/.test(path);
const isListOfMemberships = ({ path }: Exchange) => path.startsWith('/v1/organization_memberships?order_by');
const isAskedOf =
  ({ organization }: Member) =>
  ({ path }: Exchange) =>
    path.startsWith(`/v1/organizations/${organization.id}/memberships`);
const bodyOf = (exchange: Exchange) => exchange.body as { data: { id: string }[] };

/** A token in the organization, as the membership is now, whose time of issue is in the past by so many seconds. */
const tokenOf = ({ organization, user }: Member, agoS = 3) =>
  clerk.aTokenIn(organization, user, { iat: Math.floor(Date.now() / 1000) - agoS });

describe('clerk:reconcile over organizations and memberships', () => {
  async function spoil() {
    const [renamed, demoted, forgotten] = await backfilled(5);
    clerk.organizations.book.organizations.change(clerk.organizations.book.organization(renamed.organization.id), {
      name: 'New',
      updated_at: renamed.organization.updated_at + 1,
    });
    changeRoleAtClerk(demoted, 'org:admin');
    await database.query(`delete from memberships where ${OF_PAIR}`, [forgotten.key]);
    const fresh = aMember();
    const removed = aMember(renamed.organization);
    await run(['--apply']);
    clerk.organizations.book.memberships.remove(removed.row);
    await database.query(`delete from memberships where ${OF_PAIR} or $1 = ''`, [fresh.key]);
    await database.query('delete from tenants where clerk_id = $1', [fresh.organization.id]);
    clerk.organizations.book.organizations.change(clerk.organizations.book.organization(renamed.organization.id), {
      name: 'Newer',
      updated_at: renamed.organization.updated_at + 2,
    });
    changeRoleAtClerk(demoted, 'org:member');
    await letTimePass();
    return { renamed, demoted, fresh, removed };
  }

  it('tells what is missing, stale and orphaned, and changes nothing', async () => {
    const { renamed, demoted, fresh, removed } = await spoil();
    const before = [await tenants(), await rows()];
    const { code, found, all, subjects } = await findings();
    expect(found).toEqual(
      [
        `missing ${fresh.organization.id}`,
        `stale ${renamed.organization.id}`,
        `missing ${fresh.key}`,
        `stale ${demoted.key}`,
        `orphaned ${removed.key}`,
      ].toSorted(),
    );
    expect(all.find(({ id }) => id === fresh.organization.id)).toMatchObject({ subject: 'organizations' });
    expect(all.find(({ id }) => id === fresh.key)).toMatchObject({ subject: 'memberships' });
    expect(subjects).toMatchObject({
      users: { missing: 0, stale: 0, orphaned: 0 },
      organizations: { missing: 1, stale: 1, orphaned: 0 },
      memberships: { missing: 1, stale: 1, orphaned: 1 },
    });
    expect(code).toBe(0);
    expect([await tenants(), await rows()]).toEqual(before);
    expect(await database.query('select from reconcile_progress')).toEqual([]);
  });

  it('repairs all of it with --apply, and a second run has nothing to do', async () => {
    const { renamed, demoted, fresh, removed } = await spoil();
    const { code, output, progress } = await run(['--apply']);
    expect(code).toBe(0);
    expect(output).toContain(`organizations missing here: 1\n  ${fresh.organization.id}`);
    expect(output).toContain(`memberships orphaned, not at Clerk any more: 1\n  ${removed.key}`);
    expect(progress).toContain("Comparing Clerk's memberships with ours");
    expect(progress).toMatch(/6 of 6 organizations/);
    expect(await tenantOf(renamed.organization)).toMatchObject({ name: 'Newer' });
    expect(await tenantOf(fresh.organization)).toMatchObject({ name: fresh.organization.name, deleted_at: null });
    expect(await rowOf(demoted)).toMatchObject({ role: 'org:member', ended_at: null });
    expect(await rowOf(fresh)).toMatchObject({ clerk_id: fresh.row.id, ended_at: null });
    expect(await rowOf(removed)).toMatchObject({ ended_at: expect.any(Date) });
    const repaired = [await tenants(), await rows()];
    expect(await run(['--apply'])).toMatchObject({ code: 0, output: expect.stringContaining('\nNothing to do.\n') });
    expect([await tenants(), await rows()]).toEqual(repaired);
  });

  it('brings in many memberships, of many tenants and of one', async () => {
    const one = anOrganization();
    const members = [
      ...Array.from({ length: 150 }, () => aMember(one)),
      ...Array.from({ length: 150 }, () => aMember()),
    ];
    expect((await findings(['--apply'])).subjects).toMatchObject({ memberships: { missing: 300, skipped: 0 } });
    expect(await rows()).toHaveLength(members.length);
    expect((await findings()).found).toEqual([]);
  });

  it('completes what claims made, and ends it where Clerk has none', async () => {
    const app = await startApp(clerk, {}, database);
    const [known, gone, goneWhole] = [aMember(), aMember(), aMember()];
    for (const each of [known, gone, goneWhole]) expect((await app.as(tokenOf(each), '/v1/me')).status).toBe(200);
    removeAtClerk(gone);
    deleteAtClerk(goneWhole.organization);
    await letTimePass();
    const found = (await findings(['--apply'])).found.filter((each) => each.includes('org_'));
    expect(found).toEqual(
      [
        `stale ${known.organization.id}`,
        `stale ${known.key}`,
        `stale ${gone.organization.id}`,
        `orphaned ${gone.key}`,
        `orphaned ${goneWhole.organization.id}`,
      ].toSorted(),
    );
    expect(await tenantOf(known.organization)).toMatchObject({ name: known.organization.name });
    expect(await rowOf(known)).toMatchObject({
      clerk_id: known.row.id,
      clerk_updated_at: String(known.row.updated_at),
    });
    expect(await rowOf(gone)).toMatchObject({ clerk_id: null, ended_at: expect.any(Date) });
    expect(await tenantOf(goneWhole.organization)).toMatchObject({ deleted_at: expect.any(Date) });
    expect((await findings()).found).toEqual([]);
  });

  it('brings in an organization that Clerk made for us just before we crashed', async () => {
    const creator = clerk.aUser(at());
    const { id } = clerk.organizations.create({ name: 'Globex', created_by: creator.id });
    expect((await findings(['--apply'])).subjects).toMatchObject({
      organizations: { missing: 1 },
      memberships: { missing: 1 },
    });
    const app = await startApp(clerk, {}, database);
    const token = clerk.aTokenIn({ id }, creator);
    expect((await app.as(token, '/v1/tenant')).body).toMatchObject({ clerkId: id, name: 'Globex' });
    expect((await app.as(token, '/v1/tenant/members')).body).toMatchObject({ data: [{ role: 'org:admin' }] });
  });

  it('leaves to its event what is touched or changed while it runs', async () => {
    const [touched, changed, renamed] = await backfilled(3);
    changeRoleAtClerk(touched, 'org:admin');
    proxy.meddle = async (exchange) => {
      if (exchange.path.startsWith('/v1/users/count')) {
        const { memberships, organizations } = clerk.organizations.book;
        const later = { updated_at: Date.now() + 60_000 };
        memberships.change(changed.row, { role: 'org:admin', ...later });
        organizations.change(clerk.organizations.book.organization(renamed.organization.id), { name: 'New', ...later });
      }
      if (isListOfMemberships(exchange)) await drift(touched, 'updated_at = now()');
    };
    expect(await findings(['--apply'])).toMatchObject({
      code: 0,
      found: [touched.key, changed.key, renamed.organization.id].map((id) => `skipped ${id}`).toSorted(),
    });
    for (const each of [touched, changed]) expect(await rowOf(each)).toMatchObject({ role: 'org:member' });
  });

  it('does not end a membership that an event touched since Clerk said it was gone', async () => {
    const [back] = await backfilled(3);
    removeAtClerk(back);
    let asked = 0;
    proxy.meddle = async (exchange) => {
      if (isAskedOf(back)(exchange) && ++asked === 2) await drift(back, "role = 'org:admin', updated_at = now()");
    };
    expect((await findings(['--apply'])).found).toEqual([`orphaned ${back.key}`]);
    expect(await rowOf(back)).toMatchObject({ role: 'org:admin', ended_at: null });
  });
});

describe('what no event told', () => {
  it.each([
    ['a member was removed', removeAtClerk, 'orphaned'],
    ['a role was changed', (member: Member) => changeRoleAtClerk(member, 'org:admin'), 'stale'],
  ])('%s: the token of before is refused', async (_, change, kind) => {
    const [member, other] = await backfilled(3);
    const app = await startApp(clerk, {}, database);
    // issued before, also where the change counts from Clerk's own time of it
    const token = clerk.aTokenIn(member.organization, member.user, { iat: Math.floor(Date.now() / 1000) - 3 });
    const elsewhere = clerk.aToken({ sub: member.user.id, iat: Math.floor(Date.now() / 1000) - 3 });
    expect((await app.as(token, '/v1/me')).status).toBe(200);
    change(member);
    if (kind === 'stale') member.row.updated_at = Date.now() - 1000;
    await letTimePass();
    expect((await findings(['--apply'])).found).toEqual([`${kind} ${member.key}`]);
    await pause(1000);
    expect(await app.as(token, '/v1/me')).toMatchObject({ status: 401, body: { code: 'token_revoked' } });
    for (const each of [elsewhere, tokenOf(other)]) expect((await app.as(each, '/v1/me')).status).toBe(200);
    if (kind === 'stale') {
      const { body } = await app.as(clerk.aTokenIn(member.organization, member.user), '/v1/me');
      expect(body.tenant).toMatchObject({ role: 'org:admin' });
    }
  });

  it('an organization was deleted: so is the tenant, with its memberships, as one deletion', async () => {
    const organization = anOrganization();
    const members = [aMember(organization), aMember(organization)];
    await backfilled(3);
    const app = await startApp(clerk, {}, database);
    const tokens = members.map((member) => tokenOf(member));
    for (const token of tokens) expect((await app.as(token, '/v1/me')).status).toBe(200);
    deleteAtClerk(organization);
    await letTimePass();
    expect((await findings(['--apply', '--max-deletions', '1'])).found).toEqual([`orphaned ${organization.id}`]);
    await pause(1000);
    for (const token of tokens)
      expect(await app.as(token, '/v1/me')).toMatchObject({ status: 401, body: { code: 'token_revoked' } });
    for (const member of members) expect(await rowOf(member)).toMatchObject({ ended_at: expect.any(Date) });
    expect((await run(['--apply'])).output).toContain('Nothing to do.');
  });

  it('a member came back under another membership: it is brought in, its older word is not', async () => {
    const [member] = await backfilled(3);
    await drift(member, 'ended_at = now()');
    removeAtClerk(member);
    const again = aMember(member.organization, 'org:admin', member.user);
    await letTimePass();
    expect((await findings(['--apply'])).found).toEqual([`stale ${again.key}`]);
    expect(await rowOf(again)).toMatchObject({ clerk_id: again.row.id, role: 'org:admin', ended_at: null });
    expect((await findings()).found).toEqual([]);
  });
});

describe('no tenant and no membership is ended by clerk:reconcile', () => {
  const living = async () => {
    const ended = [await tenants(), await rows()]
      .flat()
      .filter((row) => ('role' in row ? row.ended_at : row.deleted_at));
    expect(ended).toEqual([]);
  };

  it('when lists of Clerk leave them out', async () => {
    const [hidden, alsoStale] = await backfilled(4);
    await drift(alsoStale, "role = 'org:guest'");
    const left = [hidden, alsoStale].flatMap(({ row, organization }) => [row.id, organization.id]);
    proxy.meddle = (exchange) => {
      const isOfMany = isList(exchange) || /user_id=.*user_id=|organization_id=/.test(exchange.path);
      if (isOfMany && exchange.path.includes('organization'))
        bodyOf(exchange).data = bodyOf(exchange).data.filter(({ id }) => !left.includes(id));
    };
    expect(await findings(['--apply'])).toMatchObject({ code: 0, found: [`stale ${alsoStale.key}`] });
    await living();
  });

  it('when pages are cut off, fail or come empty, and members come and go', async () => {
    const members = await backfilled(30);
    const gone: Member[] = [];
    let pages = 0;
    proxy.meddle = (exchange) => {
      if (!isList(exchange)) return;
      pages++;
      const { data } = bodyOf(exchange);
      bodyOf(exchange).data = pages % 7 === 6 ? [] : data.slice(0, 3 + (pages % 5));
      if (pages % 9 === 8) exchange.status = 500;
      if (pages % 4 > 0 || gone.length > 5 || !isListOfMemberships(exchange)) return;
      const leaver = members.find((member) => member.row.id === data[0]?.id && !gone.includes(member));
      if (leaver) removeAtClerk(leaver);
      if (leaver) gone.push(leaver);
      aMember(leaver?.organization);
    };
    const { code, subjects } = await findings(['--apply']);
    expect([code, subjects.organizations?.orphaned]).toEqual([0, 0]);
    expect(gone.length).toBeGreaterThan(0);
    const ended = (await rows()).filter((row) => row.ended_at).map((row) => row.clerk_id);
    for (const id of ended) expect(gone.map(({ row }) => row.id)).toContain(id);
    proxy.meddle = () => undefined;
    await letTimePass();
    expect((await run(['--apply'])).code).toBe(0);
    expect((await findings()).found).toEqual([]);
  });

  it.each([
    ['a 404 that is not of Clerk', { status: 404, body: 'no such page' }],
    ['a refusal', { status: 403, body: { errors: [{ code: 'authorization_invalid' }] } }],
  ])('on %s', async (_, answer) => {
    const [removed, whole] = await backfilled(3);
    removeAtClerk(removed);
    deleteAtClerk(whole.organization);
    proxy.meddle = (exchange) => {
      const isOfWhole = exchange.path === `/v1/organizations/${whole.organization.id}`;
      if (isOfWhole || [removed, whole].some((each) => isAskedOf(each)(exchange))) Object.assign(exchange, answer);
    };
    expect(await findings(['--apply'])).toMatchObject({
      code: 1,
      found: [removed.key, whole.key, whole.organization.id].map((id) => `unconfirmed ${id}`).toSorted(),
    });
    await living();
  });

  it.each([['it is gone when asked again'], ['its list is of other users']])(
    'on the word of an organization of which %s',
    async (what) => {
      const [removed, other] = await backfilled(3);
      removeAtClerk(removed);
      let asked = 0;
      proxy.meddle = (exchange) => {
        if (!isAskedOf(removed)(exchange) || ++asked === 1) return;
        if (what.startsWith('its list'))
          bodyOf(exchange).data = [clerk.organizations.memberships.get(other.organization.id, other.user.id)];
        else Object.assign(exchange, { status: 404, body: { errors: [{ code: 'resource_not_found' }] } });
      };
      expect(await findings(['--apply'])).toMatchObject({ code: 1, found: [`unconfirmed ${removed.key}`] });
      await living();
    },
  );

  it('when there are more orphans of all kinds together than --max-deletions', async () => {
    const [removed, whole, leaver] = await backfilled(3);
    removeAtClerk(removed);
    deleteAtClerk(whole.organization);
    removeAtClerk(leaver);
    clerk.directory.users.remove(leaver.user.id);
    const refused = await run(['--apply', '--max-deletions', '3']);
    expect([refused.code, refused.output]).toEqual([1, expect.stringContaining('4 orphans are more than 3')]);
    await living();
    expect((await run(['--apply', '--max-deletions', '4'])).code).toBe(0);
    for (const each of [removed, whole, leaver])
      expect(await rowOf(each)).toMatchObject({ ended_at: expect.any(Date) });
    expect((await findings()).found).toEqual([]);
  });
});

describe('a stopped clerk:reconcile', () => {
  /** Stops it at that page of memberships. */
  function cutAt(page: number, stop: () => void): void {
    let pages = 0;
    proxy.meddle = (exchange) => {
      if (!isList(exchange)) return;
      bodyOf(exchange).data = bodyOf(exchange).data.slice(0, 4);
      if (isListOfMemberships(exchange) && ++pages === page) stop();
    };
  }

  it('goes on after SIGKILL among the memberships, with what it found before', async () => {
    const [removed, whole] = await backfilled(2);
    removeAtClerk(removed);
    deleteAtClerk(whole.organization);
    const members = Array.from({ length: 700 }, () => aMember(undefined, 'org:member', removed.user));
    await letTimePass();
    await database.query(
      `create function dawdle() returns trigger language plpgsql as 'begin perform pg_sleep(0.003); return new; end'`,
    );
    await database.query('create trigger dawdle before insert on memberships for each row execute function dawdle()');
    const child = spawn(process.execPath, [RECONCILE, '--apply'], { env: reconciling.environment(), stdio: 'ignore' });
    while (child.exitCode === null && (await rows()).length < 100) await pause(20);
    if (child.kill('SIGKILL')) await once(child, 'exit');
    expect(child.signalCode).toBe('SIGKILL');
    await database.query('drop function dawdle cascade');
    expect((await rows()).length).toBeLessThan(702);
    const before = proxy.calls.length;
    const { code, output, progress } = await run(['--apply']);
    expect([code, progress]).toEqual([0, expect.stringContaining('Going on with the run that began at')]);
    expect(output).toContain('memberships missing here: 700');
    expect(output).toContain(`organizations orphaned, not at Clerk any more: 1\n  ${whole.organization.id}`);
    const paths = proxy.calls.slice(before).map(({ path }) => path);
    expect(paths.filter((path) => path.startsWith('/v1/users'))).toEqual([]);
    expect(paths.filter((path) => members.some(({ organization }) => path.includes(organization.id)))).toEqual([]);
    expect((await rows()).filter((row) => !row.ended_at)).toHaveLength(members.length);
    for (const each of [removed, whole]) expect(await rowOf(each)).toMatchObject({ ended_at: expect.any(Date) });
    expect((await findings()).found).toEqual([]);
  });

  it('finishes its page on a signal, and --restart begins anew with the users', async () => {
    Array.from({ length: 10 }, () => aMember());
    const stopping = new AbortController();
    cutAt(2, () => stopping.abort());
    const stopped = await run(['--apply'], reconciling.environment(), stopping.signal);
    expect([stopped.code, stopped.output]).toEqual([1, expect.stringContaining('Stopped; run the same command again')]);
    cutAt(Number.POSITIVE_INFINITY, () => undefined);
    const before = proxy.calls.length;
    const { code, progress } = await run(['--apply', '--restart']);
    expect([code, progress]).toEqual([0, expect.not.stringContaining('Going on')]);
    expect(proxy.calls.slice(before).some(({ path }) => path.startsWith('/v1/users?order_by'))).toBe(true);
    expect(await rows()).toHaveLength(10);
  });

  it('goes on asking for ours where it was', async () => {
    const members = await backfilled(6);
    for (const member of members) removeAtClerk(member);
    const stopping = new AbortController();
    let asked = 0;
    proxy.meddle = ({ path }) => {
      if (path.includes('/memberships?') && ++asked === 6) stopping.abort();
    };
    expect((await run([], reconciling.environment(), stopping.signal)).code).toBe(1);
    expect((await findings()).counts).toMatchObject({ orphaned: 6 });
  });
});

describe('what is over here and alive at Clerk', () => {
  it('is told, an organization without its memberships, and left by --apply', async () => {
    const [whole, ended] = await backfilled(3);
    const app = await startApp(clerk, {}, database);
    const event = clerk.anEvent('organization.deleted', {
      id: whole.organization.id,
      object: 'organization',
      deleted: true,
    });
    expect((await clerk.deliver(app.url, event)).status).toBe(204);
    await drift(ended, 'ended_at = now()');
    await letTimePass();
    const { code, output } = await run(['--apply']);
    expect(code).toBe(0);
    expect(output).toContain(
      `organizations deleted here, alive at Clerk: 1\n  ${whole.organization.id}\n  to bring one back`,
    );
    expect(output).toContain(`memberships ended here, alive at Clerk: 1\n  ${ended.key}\n  to bring one back`);
    expect(await tenantOf(whole.organization)).toMatchObject({ deleted_at: expect.any(Date) });
    expect(await rowOf(ended)).toMatchObject({ ended_at: expect.any(Date) });
  });

  it('is brought back by --revive: an organization with its memberships', async () => {
    const [whole] = await backfilled(3);
    const other = aMember(whole.organization, 'org:admin');
    await run(['--apply']);
    const app = await startApp(clerk, {}, database);
    const event = clerk.anEvent('organization.deleted', {
      id: whole.organization.id,
      object: 'organization',
      deleted: true,
    });
    expect((await clerk.deliver(app.url, event)).status).toBe(204);
    removeAtClerk(whole);
    const { id } = whole.organization;
    expect(await run(['--revive', id])).toMatchObject({ code: 0, output: `${id} is alive here again\n` });
    expect(await tenantOf(whole.organization)).toMatchObject({ name: whole.organization.name, deleted_at: null });
    expect(await rowOf(other)).toMatchObject({ role: 'org:admin', ended_at: null });
    expect(await rowOf(whole)).toMatchObject({ ended_at: expect.any(Date) });
    expect((await findings()).found).toEqual([]);
  });

  it('is brought back by --revive: one membership, with what Clerk says', async () => {
    const [ended] = await backfilled(3);
    await drift(ended, "ended_at = now(), role = 'org:guest', clerk_updated_at = clerk_updated_at + 1000");
    expect(await run(['--revive', ended.key])).toMatchObject({ code: 0, output: `${ended.key} is alive here again\n` });
    expect(await rowOf(ended)).toMatchObject({ role: 'org:member', ended_at: null });
    expect((await findings()).found).toEqual([]);
  });

  it('is not brought back when there is nothing to bring back', async () => {
    const [living, dead, whole] = await backfilled(3);
    removeAtClerk(dead);
    await database.query('update tenants set deleted_at = now() where clerk_id = $1', [whole.organization.id]);
    await drift(whole, 'ended_at = now()');
    const refusals = [
      [living.organization.id, 'is not deleted here'],
      [living.key, 'is not ended here, or its organization is deleted here'],
      [dead.key, 'is not alive at Clerk'],
      [whole.key, 'is not ended here, or its organization is deleted here'],
      [dead.row.id, 'is no id of a user or an organization, nor org_…/user_… for a membership'],
    ] as const;
    for (const [id, reason] of refusals)
      expect(await run(['--revive', id])).toMatchObject({ code: 1, progress: `${id}: ${reason}\n` });
  });
});

describe('the walk by offset', () => {
  it('finds everything that is there all the time, however pages are cut and whatever goes', async () => {
    const shape = fc.record({
      size: fc.nat(80),
      cuts: fc.array(fc.integer({ min: 2, max: 9 }), { minLength: 1, maxLength: 20 }),
      leavers: fc.array(fc.uniqueArray(fc.nat(79), { maxLength: 3 }), { maxLength: 30 }),
      isCounted: fc.boolean(),
      broken: fc.uniqueArray(fc.nat(79), { maxLength: 40 }),
    });
    await fc.assert(
      fc.asyncProperty(shape, async ({ size, cuts, leavers, isCounted, broken }) => {
        const counted = isCounted ? size : Number.POSITIVE_INFINITY;
        const items = Array.from({ length: size }, (_, index) => ({ id: `id${index}`, created_at: index + 1 }));
        const leaving = new Set(leavers.flat());
        const gone = new Set<string>();
        let calls = 0;
        const list = async (offset: number) => {
          for (const leaver of leavers[calls] ?? []) gone.add(`id${leaver}`);
          const cut = cuts[calls++ % cuts.length] ?? 2;
          const page = items.filter(({ id }) => !gone.has(id)).slice(offset, offset + cut);
          return page.map((item) => (isBroken(item.id) ? new Unreadable(item.id) : item));
        };
        const isBroken = (id: string) => broken.includes(Number(id.slice(2)));
        const walked: string[] = [];
        const bounds = { seen: new Set<string>(), keyOf: ({ id }: { id: string }) => id, total: counted };
        for await (const { items: some, unreadable } of walkByOffset(list, bounds)) {
          expect([some.some(({ id }) => isBroken(id)), unreadable.every(isBroken)]).toEqual([false, true]);
          walked.push(...some.map(({ id }) => id), ...unreadable);
        }
        expect(new Set(walked).size).toBe(walked.length);
        for (const { id } of items.filter((_, index) => !leaving.has(index))) expect(walked).toContain(id);
        expect(calls).toBeLessThan(200);
      }),
    );
  });

  it('comes to an end where a page is always empty, or the order is never the same', async () => {
    const items = Array.from({ length: 60 }, (_, index) => ({ id: `id${index}`, created_at: 1 }));
    const broken = async (offset: number) => (offset >= 30 && offset < 40 ? [] : items.slice(offset, offset + 10));
    const shuffled = async (offset: number) => items.toSorted(() => Math.random() - 0.5).slice(offset, offset + 10);
    for (const list of [broken, shuffled]) {
      let calls = 0;
      const counted = async (offset: number) => {
        expect(++calls).toBeLessThan(500);
        return list(offset);
      };
      for await (const { items: some } of walkByOffset(counted, { seen: new Set(), keyOf: ({ id }) => id }))
        expect(some.length).toBeGreaterThan(0);
    }
  });
});
