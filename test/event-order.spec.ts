import { beforeAll, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { type LocalUser, localUser } from '../local/clerk/people.ts';
import { Replay } from '../src/webhooks/index.ts';
import { startApp, type TestApp } from './support/app.ts';
import { TestClerk } from './support/clerk.ts';

/** What can happen to one user, in the order in which Clerk would tell it. */
type Happening =
  | 'created'
  | 'renamed'
  | 'banned'
  | 'unbanned'
  | 'deprovisioned'
  | 'deleted'
  | 'sessionCreated'
  | 'sessionEnded'
  | 'sessionRevoked';

interface Told {
  id: string;
  event: object;
}

let clerk: TestClerk;
let apps: [TestApp, TestApp];
let runs = 0;

beforeAll(async () => {
  clerk = await TestClerk.start();
  const first = await startApp(clerk);
  apps = [first, await startApp(clerk, {}, first.database)];
});

/** The events of one user, with ids and times of their own; several may happen within one millisecond. */
function story(
  happenings: { what: Happening; afterMs: number; session: number }[],
  began: number,
): { userId: string; told: Told[] } {
  const run = runs++;
  const user = { ...localUser(`user_order${run}`, 'Ada', 'Example', 'ada@example.com'), image_url: 'https://img/ada' };
  let now = began;
  const told = happenings.map(({ what, afterMs, session }, index): Told => {
    now += afterMs;
    const id = `msg_order${run}x${String(index).padStart(2, '0')}`;
    return { id, event: eventOf(user, what, `sess_order${run}x${session}`, now, index) };
  });
  return { userId: user.id, told };
}

/** Changes the user and tells of it. */
function eventOf(user: LocalUser, what: Happening, sessionId: string, now: number, index: number) {
  const facts = { timestamp: now };
  if (what === 'deleted') return clerk.anEvent('user.deleted', { object: 'user', id: user.id, deleted: true }, facts);
  if (what.startsWith('session')) {
    const data = {
      object: 'session',
      id: sessionId,
      user_id: user.id,
      status: what,
      updated_at: now,
      user: { ...user },
    };
    return clerk.anEvent(
      { sessionCreated: 'session.created', sessionEnded: 'session.ended' }[what as string] ?? 'session.revoked',
      data,
      facts,
    );
  }
  user.updated_at = now;
  if (what === 'renamed') user.first_name = `Ada ${index}`;
  if (what === 'banned' || what === 'unbanned') user.banned = what === 'banned';
  if (what === 'deprovisioned') user.deprovisioned = true;
  return clerk.anEvent(what === 'created' ? 'user.created' : 'user.updated', { ...user }, facts);
}

/** All that the events of a user leave behind, but for what is ours: ids, and when it was. */
async function stateOf(userId: string) {
  const [suffix] = userId.match(/\d+$/) ?? [];
  const users = await apps[0].database.query(
    `select email, name, image_url, banned_at, locked_at, deprovisioned_at, deleted_at, clerk_updated_at,
            replace(clerk_event_id, 'order${suffix}x', '') as clerk_event_id from users where clerk_id = $1`,
    [userId],
  );
  const revocations = await apps[0].database.query(
    `select kind, replace(replace(clerk_id, 'order${suffix}x', ''), 'order${suffix}', '') as whose, not_before from revocations
     where clerk_id = $1 or clerk_id like $2 order by 1, 2`,
    [userId, `sess_order${suffix}x%`],
  );
  return JSON.parse(JSON.stringify({ users, revocations }).replaceAll(userId, 'user')) as object;
}

async function deliver(app: TestApp, { id, event }: Told): Promise<void> {
  const { status, body } = await clerk.deliver(app.url, event as never, { id });
  // the sender repeats what came when a busy machine had no time
  if (status === 503) return deliver(app, { id, event });
  if (status !== 204) throw new Error(`${status} ${JSON.stringify(body)}`);
}

const happening = fc.record({
  what: fc.constantFrom<Happening>(
    'created',
    'renamed',
    'renamed',
    'banned',
    'unbanned',
    'deprovisioned',
    'deleted',
    'sessionCreated',
    'sessionEnded',
    'sessionRevoked',
  ),
  afterMs: fc.constantFrom(0, 1, 400, 1500),
  session: fc.integer({ min: 0, max: 2 }),
});

describe('the events of one user', () => {
  it('leave the same state in any order, with any duplicates, delivered to two processes at once', async () => {
    const cases = fc.record({
      happenings: fc.array(happening, { minLength: 2, maxLength: 12 }),
      deliveries: fc.infiniteStream(fc.nat()),
      duplicates: fc.array(fc.nat(11), { maxLength: 6 }),
    });
    await fc.assert(
      fc.asyncProperty(cases, async ({ happenings, deliveries, duplicates }) => {
        const began = Date.now() - 60_000;
        const [inOrder, shuffled] = [story(happenings, began), story(happenings, began)];
        for (const told of inOrder.told) await deliver(apps[0], told);
        const all = [
          ...shuffled.told,
          ...duplicates.flatMap((index) => shuffled.told[index % shuffled.told.length] ?? []),
        ];
        const order = all
          .map((told) => ({ told, at: deliveries.next().value as number }))
          .toSorted((a, b) => a.at - b.at);
        await Promise.all(order.map(({ told, at }) => deliver(apps[at % 2 === 0 ? 0 : 1], told)));
        expect(await stateOf(shuffled.userId)).toEqual(await stateOf(inOrder.userId));
        const rows = await apps[0].database.query('select id from inbox where id = any($1)', [
          shuffled.told.map(({ id }) => id),
        ]);
        expect(rows).toHaveLength(shuffled.told.length);
      }),
      { numRuns: 80 },
    );
  });
});

describe('an event with a time far ahead', () => {
  const ahead = () => Date.now() + 3_600_000;
  const membersOf = async (userId: string) =>
    apps[0].database.query(
      'select role, clerk_updated_at from memberships where user_id = (select id from users where clerk_id = $1)',
      [userId],
    );

  /** Delivers the first, then what is newer, and replays the first; all of it must be as it was before that. */
  async function expectNoChange(userId: string, first: object, newer: object) {
    const id = `msg_ahead${runs++}`;
    await deliver(apps[0], { id, event: first });
    await deliver(apps[0], { id: `${id}newer`, event: newer });
    const before = [await stateOf(userId), await membersOf(userId)];
    await apps[0].app.get(Replay).replay(id);
    expect([await stateOf(userId), await membersOf(userId)]).toEqual(before);
    return before;
  }

  it('brings no ban back when it is replayed', async () => {
    const user = clerk.aUser();
    const first = clerk.anEvent('user.updated', { ...user, banned: true, updated_at: ahead() });
    const newer = clerk.anEvent('user.updated', { ...user, banned: false, updated_at: ahead() });
    const [state] = await expectNoChange(user.id, first, newer);
    expect(state).toMatchObject({ users: [{ banned_at: null }] });
  });

  it('brings no ban back that the user in it had', async () => {
    const user = clerk.aUser();
    const session = { object: 'session', id: `sess_ahead${runs}`, user_id: user.id, status: 'active' };
    const facts = { ...user, banned: true, updated_at: ahead() };
    const newer = clerk.anEvent('user.updated', { ...user, banned: false, updated_at: ahead() });
    const first = clerk.anEvent('session.created', { ...session, user: facts });
    const [state] = await expectNoChange(user.id, first, newer);
    expect(state).toMatchObject({ users: [{ banned_at: null }] });
  });

  it('brings no role back', async () => {
    const user = clerk.aUser();
    const member = clerk.aMembership(clerk.anOrganization(), user);
    const times = () => ({ created_at: ahead(), updated_at: ahead() });
    const first = clerk.anEvent('organizationMembership.created', { ...member, ...times(), role: 'org:admin' });
    const newer = clerk.anEvent('organizationMembership.updated', { ...member, ...times(), role: 'org:member' });
    const [, members] = await expectNoChange(user.id, first, newer);
    expect(members).toMatchObject([{ role: 'org:member' }]);
  });

  it('brings no name of an organization back that a membership in it showed', async () => {
    const organization = { ...clerk.anOrganization(), updated_at: ahead() };
    const member = clerk.aMembership(organization, clerk.aUser());
    const told = { ...member, organization: { ...organization, name: 'Older' } };
    const newer = clerk.anEvent('organization.updated', { ...organization, name: 'Newer', updated_at: ahead() });
    await deliver(apps[0], { id: 'msg_older', event: clerk.anEvent('organizationMembership.created', told) });
    await deliver(apps[0], { id: 'msg_newer', event: newer });
    await apps[0].app.get(Replay).replay('msg_older');
    expect(await apps[0].database.query('select name from tenants where clerk_id = $1', [organization.id])).toEqual([
      { name: 'Newer' },
    ]);
  });
});
