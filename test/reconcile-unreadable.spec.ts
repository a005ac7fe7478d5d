import { beforeEach, describe, expect, it } from '@jest/globals';
import { aMembership, type MembershipRow } from '../local/clerk/membership.ts';
import type { LocalUser } from '../local/clerk/people.ts';
import type { TestClerk } from './support/clerk.ts';
import type { ClerkProxy, Exchange } from './support/clerk-proxy.ts';
import type { TestDatabase } from './support/database.ts';
import { Reconciling } from './support/reconcile.ts';

interface Row {
  clerk_id: string;
  name: string | null;
  deleted_at: Date | null;
  ended_at: Date | null;
  email: string | null;
}

/** Somebody who is alone in an organization at Clerk. */
interface Member {
  user: LocalUser;
  organizationId: string;
  membershipId: string;
  row: MembershipRow;
  key: string;
}

type Json = Record<string, unknown>;

const CREATED = Date.UTC(2026, 1, 1);
const NO_ID = /^unreadable without an id, SHA-256 [0-9a-f]{64}$/;

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

function someUsers(count: number): [LocalUser, LocalUser, LocalUser, ...LocalUser[]] {
  return Array.from({ length: count }, () => clerk.aUser(at())) as ReturnType<typeof someUsers>;
}

function someMembers(count: number): [Member, Member, Member, ...Member[]] {
  const members = Array.from({ length: count }, (): Member => {
    const user = clerk.aUser(at());
    const { id: organizationId } = clerk.anOrganization({ name: `Acme ${made}`, ...at() });
    const row = aMembership({ organization_id: organizationId, user_id: user.id, role: 'org:member', ...at() });
    clerk.organizations.book.memberships.add(row);
    return { user, organizationId, membershipId: row.id, row, key: `${organizationId}/${user.id}` };
  });
  return members as ReturnType<typeof someMembers>;
}

const rows = (table: 'users' | 'tenants' | 'memberships') =>
  database.query<Row>(`select * from ${table} order by clerk_id`);
const living = async (table: 'users' | 'tenants' | 'memberships') =>
  (await rows(table)).filter((row) => !row.deleted_at && !row.ended_at).map((row) => row.clerk_id);

/** The objects of the answer, wherever they stand in it. */
function listIn({ body }: Exchange): unknown[] | undefined {
  const list = Array.isArray(body) ? body : (body as Json | null)?.data;
  return Array.isArray(list) ? list : undefined;
}

type Change = (object: Json) => unknown;

/** Clerk shows those in another form, whether asked for the list, for some or for one; the list in pages of so many. */
function malform(changes: Record<string, Change>, size = 500): void {
  const malformed = (each: unknown) => {
    const change = changes[String((each as Json | null)?.id)];
    return change ? change(each as Json) : each;
  };
  proxy.meddle = (exchange) => {
    const list = listIn(exchange);
    if (list) list.splice(0, list.length, ...list.map(malformed).slice(0, size));
    else exchange.body = malformed(exchange.body);
  };
}

/** As if all that was touched had been before. */
async function letTimePass(): Promise<void> {
  for (const table of ['users', 'tenants', 'memberships'])
    await database.query(`update ${table} set updated_at = now() - interval '1 minute'`);
}

const without = (field: string) => (object: Json) => {
  const { [field]: _, ...rest } = object;
  return rest;
};

/** What is left of an object, and whether that has an id. */
const FORMS: [Change, boolean][] = [
  [() => null, false],
  [() => 'gone', false],
  [() => [], false],
  [without('id'), false],
  [(object) => ({ ...object, id: 7 }), false],
];
const OF_USERS: typeof FORMS = [
  ...FORMS,
  [(object) => ({ ...object, banned: 'no' }), true],
  [(object) => ({ ...object, updated_at: 'today' }), true],
  [({ id }) => ({ id, deprovisioned: {} }), true],
];
const OF_MEMBERSHIPS: typeof FORMS = [
  ...FORMS,
  [without('public_user_data'), true],
  [(object) => ({ ...object, public_user_data: {} }), true],
  [without('organization'), true],
  [(object) => ({ ...object, role: null }), true],
];

/** Each id in a form of its own, and how each is named. */
function inEachOf(forms: typeof FORMS, ids: string[]) {
  const changes = Object.fromEntries(forms.map(([change], index) => [ids[index] ?? '', change]));
  const named = forms.flatMap(([, hasId], index) => (hasId ? [`unreadable ${ids[index]}`] : []));
  return { changes, named, unnamed: forms.length - named.length };
}

const unreadable = (found: string[]) => found.filter((finding) => finding.startsWith('unreadable'));

/** Those with an id by it, the others apart, and once each. */
function expectNamed(found: string[], { named, unnamed }: { named: string[]; unnamed: number }): void {
  expect(unreadable(found).filter((finding) => !NO_ID.test(finding))).toEqual(named.toSorted());
  expect(new Set(found.filter((finding) => NO_ID.test(finding))).size).toBe(unnamed);
}

describe('clerk:reconcile and what cannot be read', () => {
  it('leaves users out, and brings in the others', async () => {
    const users = someUsers(OF_USERS.length + 2);
    const form = inEachOf(OF_USERS, users.map(({ id }) => id).slice(1));
    malform(form.changes);
    const { code, found, counts } = await findings(['--apply']);
    expect([code, counts]).toMatchObject([1, { missing: 2, unreadable: OF_USERS.length }]);
    expectNamed(found, form);
    const ids = users.map(({ id }) => id);
    expect(await living('users')).toEqual(ids.filter((id) => !(id in form.changes)).toSorted());
    expect((await findings(['--apply'])).found).toEqual(unreadable(found));
  });

  it('does not delete users of ours', async () => {
    const users = someUsers(OF_USERS.length + 1);
    await run(['--apply']);
    await database.query("update users set name = 'Old' where clerk_id = $1", [users.at(-1)?.id]);
    await letTimePass();
    const form = inEachOf(
      OF_USERS,
      users.map(({ id }) => id),
    );
    malform(form.changes);
    const { code, counts } = await findings(['--apply']);
    expect([code, counts]).toMatchObject([1, { stale: 1, orphaned: 0, unconfirmed: 0 }]);
    expect(await living('users')).toHaveLength(users.length);
    proxy.pass();
    expect(await findings()).toMatchObject({ code: 0, found: [] });
  });

  it('leaves organizations out, and does not delete ours', async () => {
    const members = someMembers(FORMS.length + 2);
    const ids = members.map(({ organizationId }) => organizationId);
    await run(['--apply']);
    await database.query("update tenants set name = 'Old' where clerk_id = $1", [ids.at(-1)]);
    await letTimePass();
    // one without a name can be read
    malform({ ...inEachOf(FORMS, ids).changes, [ids.at(-2) ?? '']: without('name') });
    const { code, subjects } = await findings(['--apply']);
    expect([code, subjects.organizations]).toMatchObject([1, { stale: 2, orphaned: 0, unconfirmed: 0 }]);
    expect(await living('tenants')).toHaveLength(ids.length);
    expect(await living('memberships')).toHaveLength(ids.length);
    proxy.pass();
    expect(await findings(['--apply'])).toMatchObject({ code: 0, found: [`stale ${ids.at(-2)}`] });
  });

  it('leaves memberships out, and brings in the others', async () => {
    const members = someMembers(OF_MEMBERSHIPS.length + 2);
    const ids = members.map(({ membershipId }) => membershipId);
    const form = inEachOf(OF_MEMBERSHIPS, ids.slice(1));
    malform(form.changes);
    const { code, found, subjects } = await findings(['--apply']);
    expect([code, subjects.memberships]).toMatchObject([1, { missing: 2, unreadable: OF_MEMBERSHIPS.length }]);
    expectNamed(found, form);
    expect(await living('memberships')).toEqual(ids.filter((id) => !(id in form.changes)).toSorted());
    expect(await living('users')).toHaveLength(ids.length);
    expect(await living('tenants')).toHaveLength(ids.length);
  });

  it('does not end memberships of ours, and ends the one that is gone', async () => {
    const members = someMembers(OF_MEMBERSHIPS.length + 2);
    const ids = members.map(({ membershipId }) => membershipId);
    await run(['--apply']);
    await database.query("update memberships set role = 'org:guest' where clerk_id = $1", [ids.at(-1)]);
    await letTimePass();
    const gone = members.at(-2);
    if (gone) clerk.organizations.book.memberships.remove(gone.row);
    const form = inEachOf(OF_MEMBERSHIPS, ids);
    malform(form.changes);
    const { code, found, subjects } = await findings(['--apply']);
    const counts = { stale: 1, orphaned: 1, unconfirmed: 0, unreadable: OF_MEMBERSHIPS.length };
    expect([code, subjects.memberships]).toMatchObject([1, counts]);
    expectNamed(found, form);
    expect(await living('memberships')).toEqual(ids.filter((id) => id !== gone?.membershipId).toSorted());
  });

  it('names those that only the question about them tells of', async () => {
    const [member] = someMembers(2);
    await run(['--apply']);
    await letTimePass();
    const isWalk = ({ path }: Exchange) => path.includes('order_by');
    proxy.meddle = (exchange) => {
      const list = listIn(exchange);
      const ids = [member.user.id, member.organizationId, member.membershipId];
      const isOther = (each: unknown) => !ids.includes(String((each as Json).id));
      if (list)
        list.splice(
          0,
          list.length,
          ...(isWalk(exchange) ? list.filter(isOther) : list.map((each) => (isOther(each) ? each : null))),
        );
      else if (exchange.path.endsWith(member.user.id) || exchange.path.endsWith(member.organizationId))
        exchange.body = null;
    };
    const keys = [member.user.id, member.organizationId, member.key];
    expect(await findings(['--apply'])).toMatchObject({
      code: 1,
      found: keys.map((key) => `unreadable ${key}`).toSorted(),
    });
    for (const table of ['users', 'tenants', 'memberships'] as const) expect(await living(table)).toHaveLength(2);
  });

  it.each([
    ['first or last in a page', [0, 5]],
    ['two whole pages', [3, 4, 5, 6, 7, 8]],
    ['all but the last', [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10]],
  ])('goes on where they are %s', async (_, places) => {
    const members = someMembers(12);
    const broken = members.filter((_member, place) => places.includes(place));
    const strip: Change = ({ id }) => ({ id, role: 1, banned: 1 });
    malform(Object.fromEntries(broken.flatMap(({ user, row }) => [user.id, row.id].map((id) => [id, strip]))), 3);
    const { code, subjects } = await findings(['--apply']);
    const counts = { missing: 12 - places.length, unreadable: places.length };
    expect([code, subjects]).toMatchObject([1, { users: counts, memberships: counts }]);
    expect(await living('memberships')).toHaveLength(counts.missing);
  });

  it('comes to an end where each page has the same that cannot be read', async () => {
    const users = someUsers(7);
    proxy.meddle = (exchange) => exchange.path.includes('order_by') && listIn(exchange)?.unshift(null);
    expect(await findings(['--apply'])).toMatchObject({ code: 1, counts: { missing: users.length } });
  });

  it('tells it to people, also in a dry run, and ends with exit code 1', async () => {
    const [{ membershipId, user }] = someMembers(2);
    malform({ [membershipId]: without('public_user_data') });
    const dry = await run();
    expect(dry.code).toBe(1);
    expect(dry.output).toContain(`memberships left out, cannot be read at Clerk: 1\n  ${membershipId}\n`);
    expect(dry.output).not.toContain(user.email_addresses[0]?.email_address);
    expect((await run(['--apply'])).output).toContain('What could be repaired was; the rest was left as it is.');
    expect((await run(['--apply'])).output).toContain('\nNothing to do but for what cannot be read.\n');
  });

  /** At the end of its first page of three. */
  async function stopped(changes: Record<string, Change>): Promise<void> {
    malform(changes, 3);
    const { meddle } = proxy;
    const stopping = new AbortController();
    proxy.meddle = async (exchange) => {
      await meddle(exchange);
      if (exchange.path.includes('order_by')) stopping.abort();
    };
    expect((await run(['--apply'], reconciling.environment(), stopping.signal)).code).toBe(1);
    malform(changes);
  }

  it('goes on with a run of a release that did not know of it', async () => {
    const users = someUsers(8);
    const broken = users.at(-2)?.id ?? '';
    await stopped({ [broken]: without('id') });
    await database.query("update reconcile_progress set tally = tally - 'unreadable'");
    const { code, output, progress } = await run(['--apply']);
    expect([code, progress]).toEqual([1, expect.stringContaining('Going on with the run')]);
    expect(output).toContain('users missing here: 7');
    expect(output).toContain('users left out, cannot be read at Clerk: 1\n  without an id, SHA-256 ');
    expect(await living('users')).toHaveLength(7);
  });

  it('names it once where a stopped run comes by again', async () => {
    const [, , { id }] = someUsers(8);
    await stopped({ [id]: (object) => ({ ...object, banned: 'no' }) });
    expect((await run(['--apply'])).output).toContain(`users left out, cannot be read at Clerk: 1\n  ${id}\n`);
  });

  it('does not bring back what cannot be read, and names the memberships that it left', async () => {
    const [one, other] = someMembers(2);
    await run(['--apply']);
    await database.query('update users set deleted_at = now()');
    await database.query('update tenants set deleted_at = now()');
    await database.query('update memberships set ended_at = now()');
    const change = without('id');
    malform({ [one.user.id]: change, [one.organizationId]: change, [one.membershipId]: change });
    for (const key of [one.user.id, one.organizationId, one.key])
      expect(await run(['--revive', key])).toMatchObject({
        code: 1,
        progress: `${key}: what Clerk says of it cannot be read\n`,
      });
    malform({ [other.membershipId]: without('public_user_data') });
    expect(await run(['--revive', other.organizationId])).toMatchObject({
      code: 1,
      progress: `${other.organizationId}: is alive here again, but without memberships that cannot be read at Clerk: ${other.membershipId}\n`,
    });
    expect(await living('tenants')).toEqual([other.organizationId]);
    expect(await living('memberships')).toEqual([]);
  });

  it('keeps the address of a user where another cannot be read', async () => {
    const [user] = someUsers(2);
    const more = (addresses: unknown) => [null, ...(addresses as unknown[]), { id: 7 }];
    malform({ [user.id]: (object) => ({ ...object, email_addresses: more(object.email_addresses) }) });
    expect((await run(['--apply'])).code).toBe(0);
    const row = (await rows('users')).find(({ clerk_id: id }) => id === user.id);
    expect(row?.email).toBe(user.email_addresses[0]?.email_address);
  });
});
