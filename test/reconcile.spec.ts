import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { beforeEach, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import type { LocalUser } from '../local/clerk/people.ts';
import { freePort } from '../local/ports.ts';
import { Unreadable, walkByCreation } from '../src/clerk/index.ts';
import { startApp } from './support/app.ts';
import { TestClerk } from './support/clerk.ts';
import type { ClerkProxy, Exchange } from './support/clerk-proxy.ts';
import type { TestDatabase } from './support/database.ts';
import { RECONCILE, Reconciling } from './support/reconcile.ts';

interface Row {
  clerk_id: string;
  external_id: string | null;
  email: string | null;
  name: string | null;
  banned_at: Date | null;
  deleted_at: Date | null;
}

let reconciling: Reconciling;
let clerk: TestClerk;
let proxy: ClerkProxy;
let database: TestDatabase;

beforeEach(async () => {
  reconciling = await Reconciling.start();
  ({ clerk, proxy, database } = reconciling);
});

const environment: Reconciling['environment'] = (more) => reconciling.environment(more);
const run: Reconciling['run'] = (...args) => reconciling.run(...args);
const findings: Reconciling['findings'] = (...args) => reconciling.findings(...args);
const rows = () => database.query<Row>('select * from users order by clerk_id');
const row = async (id: string) => (await rows()).find(({ clerk_id: clerkId }) => clerkId === id);
const isList = ({ path }: Exchange) => path.startsWith('/v1/users?order_by');

/** Users of Clerk's, one a second. */
function users(count: number, facts: Partial<LocalUser> = {}): LocalUser[] {
  const first = Date.UTC(2026, 1, 1);
  return Array.from({ length: count }, (_, index) => clerk.aUser({ created_at: first + index * 1000, ...facts }));
}

/** Our copy is right, and knows which instance is ours. */
async function backfilled(count: number) {
  const all = users(count);
  expect((await run(['--apply'])).code).toBe(0);
  return all as [LocalUser, LocalUser, ...LocalUser[]];
}

/** A user of ours whom Clerk does not have. */
async function anOrphan(id = `user_orphan${Math.random().toString(36).slice(2)}`): Promise<string> {
  await database.query(
    `insert into users (id, clerk_id, email, clerk_updated_at, created_at, updated_at)
     values (gen_random_uuid(), $1, 'gone@example.com', 1, now() - interval '1 day', now() - interval '1 day')`,
    [id],
  );
  return id;
}

async function drift(sql: string, id: string): Promise<void> {
  await database.query(`update users set ${sql} where clerk_id = $1`, [id]);
}

describe('clerk:reconcile', () => {
  it('tells what is missing, stale and orphaned, and changes nothing', async () => {
    const [behind, banned] = await backfilled(3);
    await drift("name = 'Old', clerk_updated_at = clerk_updated_at - 1", behind.id);
    await drift('banned_at = now()', banned.id);
    const missing = clerk.aUser();
    const orphan = await anOrphan();
    const before = await rows();
    const { code, found, counts } = await findings();
    const expected = [`missing ${missing.id}`, `orphaned ${orphan}`, `stale ${banned.id}`, `stale ${behind.id}`];
    expect(found).toEqual(expected.toSorted());
    expect(counts).toMatchObject({ missing: 1, stale: 2, orphaned: 1, revivable: 0, unconfirmed: 0, skipped: 0 });
    expect(code).toBe(0);
    expect(await rows()).toEqual(before);
    expect(await database.query('select from reconcile_progress')).toEqual([]);
  });

  it('repairs all of it with --apply, and a second run finds nothing and changes nothing', async () => {
    const [behind, banned] = await backfilled(3);
    await drift("name = 'Old', clerk_updated_at = clerk_updated_at - 1", behind.id);
    await drift('banned_at = now()', banned.id);
    const missing = clerk.aUser();
    const orphan = await anOrphan();
    const { code, counts } = await findings(['--apply']);
    expect([code, counts]).toEqual([0, expect.objectContaining({ missing: 1, stale: 2, orphaned: 1 })]);
    expect(await row(behind.id)).toMatchObject({ name: 'Ada Example' });
    expect(await row(banned.id)).toMatchObject({ banned_at: null });
    expect(await row(missing.id)).toMatchObject({ email: missing.email_addresses[0]?.email_address });
    expect(await row(orphan)).toMatchObject({ email: null, deleted_at: expect.any(Date) });
    const repaired = await rows();
    expect(await findings(['--apply'])).toMatchObject({ code: 0, found: [] });
    expect(await rows()).toEqual(repaired);
  });

  it('repairs external ids that stand at each other’s rows', async () => {
    const [one, other] = await backfilled(2);
    for (const [user, id] of [
      [one, 'a'],
      [other, 'b'],
    ] as const)
      clerk.directory.users.change(user, { external_id: id });
    expect((await findings(['--apply'])).counts).toMatchObject({ stale: 2 });
    await drift('external_id = null', one.id);
    await drift("external_id = 'a'", other.id);
    await drift("external_id = 'b'", one.id);
    expect((await findings(['--apply'])).counts).toMatchObject({ stale: 2 });
    expect((await findings(['--apply'])).found).toEqual([]);
    expect(await row(one.id)).toMatchObject({ external_id: 'a' });
  });

  it('refuses the token of a user whose ban was never told', async () => {
    const app = await startApp(clerk, {}, database);
    const user = clerk.aUser();
    const token = clerk.aToken({ sub: user.id });
    expect((await app.as(token, '/v1/me')).status).toBe(200);
    clerk.directory.users.change(user, { banned: true, updated_at: Date.now() - 1 });
    await database.query("update users set updated_at = now() - interval '1 minute'");
    expect((await run(['--apply'])).code).toBe(0);
    await new Promise((resolve) => setTimeout(resolve, 1000));
    expect(await app.as(token, '/v1/me')).toMatchObject({ status: 401, body: { code: 'token_revoked' } });
  });

  it('skips a row that is touched while it runs', async () => {
    const [touched] = await backfilled(2);
    await drift("name = 'Old'", touched.id);
    proxy.meddle = (exchange) => isList(exchange) && drift("settings = '{}', updated_at = now()", touched.id);
    expect(await findings(['--apply'])).toMatchObject({ code: 0, found: [`skipped ${touched.id}`] });
    expect(await row(touched.id)).toMatchObject({ name: 'Old' });
  });

  it('does not take back what an event told meanwhile', async () => {
    const [changed] = await backfilled(1);
    await drift("name = 'Old'", changed.id);
    proxy.meddle = (exchange) =>
      isList(exchange) && drift(`name = 'New', clerk_updated_at = ${changed.updated_at + 1}`, changed.id);
    expect(await findings(['--apply'])).toMatchObject({ found: [`skipped ${changed.id}`] });
    expect(await row(changed.id)).toMatchObject({ name: 'New' });
  });

  it('says its figures to people without names or addresses', async () => {
    const [user] = await backfilled(1);
    await drift("name = 'Old'", user.id);
    users(25);
    const { output, progress } = await run();
    expect(output).toContain('missing here: 25');
    expect(output).toContain('  and 5 more');
    expect(output).toContain(`stale: 1\n  ${user.id}`);
    expect(output).toContain('Nothing was changed. To repair it: npm run clerk:reconcile -- --apply');
    expect(progress).toMatch(/26 of 26 users, [\d,]+\/s, 0 s left/);
    expect(output + progress).not.toMatch(/@|Ada|Old/);
  });
});

describe('no living user is deleted by clerk:reconcile', () => {
  it('when users come and go during the run, and pages are cut off', async () => {
    const all = await backfilled(30);
    const gone = new Set<string>();
    proxy.meddle = (exchange) => {
      if (!isList(exchange)) return;
      exchange.body = (exchange.body as LocalUser[]).slice(0, 1 + (exchange.index % 4));
      const [walked] = exchange.body as LocalUser[];
      if (exchange.index % 3 > 0 || gone.size > 8) return;
      for (const user of [walked, all.findLast(({ id }) => !gone.has(id))])
        if (user && !gone.has(user.id)) {
          gone.add(user.id);
          clerk.directory.users.remove(user.id);
        }
      clerk.aUser({ created_at: Date.now(), updated_at: Date.now() });
    };
    expect((await run(['--apply'])).code).toBe(0);
    const living = (await rows()).filter(({ deleted_at: deletedAt }) => !deletedAt).map(({ clerk_id: id }) => id);
    for (const { id } of all.filter((user) => !gone.has(user.id))) expect(living).toContain(id);
    proxy.meddle = () => undefined;
    await database.query("update users set updated_at = updated_at - interval '1 minute'");
    expect((await run(['--apply'])).code).toBe(0);
    expect((await findings()).found).toEqual([]);
  });

  it('when a page in the middle comes empty, and nobody after it is missed', async () => {
    const all = users(12);
    let pages = 0;
    proxy.meddle = (exchange) => {
      if (isList(exchange)) exchange.body = ++pages === 3 ? [] : (exchange.body as LocalUser[]).slice(0, 4);
    };
    expect((await findings(['--apply'])).counts).toMatchObject({ missing: all.length, orphaned: 0 });
  });

  it('when a list of Clerk leaves them out', async () => {
    const [hidden, alsoStale] = await backfilled(4);
    await drift("name = 'Old'", alsoStale.id);
    const left = [hidden.id, alsoStale.id];
    proxy.meddle = (exchange) => {
      if (exchange.path.startsWith('/v1/users?'))
        exchange.body = (exchange.body as LocalUser[]).filter(({ id }) => !left.includes(id));
    };
    expect(await findings(['--apply'])).toMatchObject({ code: 0, found: [`stale ${alsoStale.id}`] });
    expect((await rows()).every(({ deleted_at: deletedAt }) => deletedAt === null)).toBe(true);
  });

  it.each([
    ['a 404 that is not of Clerk', { status: 404, body: 'no such page' }],
    ['a refusal', { status: 403, body: { errors: [{ code: 'authorization_invalid' }] } }],
  ])('on %s', async (_, answer) => {
    await backfilled(1);
    const id = await anOrphan();
    proxy.meddle = (exchange) => exchange.path.endsWith(`/${id}`) && Object.assign(exchange, answer);
    expect(await findings(['--apply'])).toMatchObject({ code: 1, found: [`unconfirmed ${id}`] });
    expect(await row(id)).toMatchObject({ deleted_at: null });
  });

  it('with the key of another instance', async () => {
    await backfilled(2);
    const before = await rows();
    const other = await TestClerk.start();
    other.aUser();
    const env = { ...environment(), CLERK_SECRET_KEY: other.env.CLERK_SECRET_KEY ?? '', CLERK_API_URL: other.origin };
    const { code, progress } = await run(['--apply'], env);
    expect(code).toBe(1);
    expect(progress).toContain(`of the instance ${other.instanceId}, but our users are of ${clerk.instanceId}`);
    expect(await rows()).toEqual(before);
  });

  it('with the key of another instance, whether ours is configured, remembered or not known at all', async () => {
    const { CLERK_INSTANCE_ID: _, ...unconfigured } = environment();
    users(2);
    expect((await run(['--apply'], unconfigured)).code).toBe(0);
    const before = await rows();
    const other = await TestClerk.start();
    other.aUser();
    const key = { CLERK_SECRET_KEY: other.env.CLERK_SECRET_KEY ?? '', CLERK_API_URL: other.origin };
    expect((await run(['--apply'], { ...unconfigured, ...key })).progress).toContain(`are of ${clerk.instanceId}`);
    await database.query('delete from instance');
    const { code, progress } = await run(['--apply'], { ...unconfigured, ...key });
    expect([code, progress]).toEqual([1, expect.stringContaining('knows none of our users')]);
    expect(await rows()).toEqual(before);
  });

  it('when there are more orphans than --max-deletions, and then they are not either', async () => {
    await backfilled(1);
    for (let count = 0; count < 3; count++) await anOrphan();
    const refused = await run(['--apply', '--max-deletions', '2']);
    expect(refused.code).toBe(1);
    expect(refused.output).toContain('3 orphans are more than 2');
    expect((await rows()).filter(({ deleted_at: deletedAt }) => deletedAt)).toEqual([]);
    expect((await run(['--apply', '--max-deletions', '3'])).code).toBe(0);
    expect((await rows()).filter(({ deleted_at: deletedAt }) => deletedAt)).toHaveLength(3);
  });
});

describe('clerk:reconcile and a Clerk that stumbles', () => {
  it('asks again after a 500 and an answer that breaks off', async () => {
    const all = users(5);
    let pages = 0;
    proxy.meddle = (exchange) => {
      if (!isList(exchange)) return;
      pages++;
      if (pages === 1) exchange.status = 500;
      if (pages === 2) exchange.body = { cut: 'off' };
    };
    expect((await findings(['--apply'])).counts).toMatchObject({ missing: all.length });
  });

  it('waits as long as a 429 asks for', async () => {
    users(2);
    let refusedAt = 0;
    proxy.meddle = (exchange) => {
      if (!isList(exchange) || refusedAt) return;
      refusedAt = performance.now();
      Object.assign(exchange, { status: 429, headers: { ...exchange.headers, 'retry-after': '2' } });
    };
    expect((await run()).code).toBe(0);
    const next = proxy.calls.find(({ at }) => at > refusedAt);
    expect((next?.at ?? 0) - refusedAt).toBeGreaterThanOrEqual(1990);
  });

  it('makes no more than half of the calls that Clerk allows', async () => {
    users(70);
    proxy.meddle = (exchange) => {
      if (isList(exchange)) exchange.body = (exchange.body as LocalUser[]).slice(0, 2);
    };
    expect((await run()).code).toBe(0);
    const times = proxy.calls.map(({ at }) => at);
    const busiest = Math.max(...times.map((from) => times.filter((at) => at >= from && at < from + 10_000).length));
    expect(times.length).toBeGreaterThan(60);
    expect(busiest).toBeLessThanOrEqual(50);
  });

  it('says while it waits where nobody answers, why, and how often it still asks', async () => {
    const host = `127.0.0.1:${await freePort()}`;
    const said = `Clerk is asked again in 500 ms, retry 1 of 8: ${host} does not answer (ECONNREFUSED)`;
    const { code, progress } = await run([], environment({ CLERK_API_URL: `http://${host}` }), said);
    expect([code, progress.split('\n')]).toEqual([1, expect.arrayContaining([said])]);
  });

  it('says what to do when it gives up, with its key refused', async () => {
    const { code, progress } = await run([], environment({ CLERK_SECRET_KEY: 'sk_test_wrong' }));
    expect(code).toBe(1);
    expect(progress).toContain('Clerk answered 401 (clerk_key_invalid)');
  });
});

describe('a stopped clerk:reconcile', () => {
  /** Stops the process at its fourth page of two. */
  function cutAt(page: number, stop: () => void): void {
    let pages = 0;
    proxy.meddle = (exchange) => {
      if (!isList(exchange)) return;
      exchange.body = (exchange.body as LocalUser[]).slice(0, 3);
      if (++pages === page) stop();
    };
  }

  it('goes on after SIGKILL where it was, and says so', async () => {
    users(20);
    const orphan = await anOrphan();
    const child = spawn(process.execPath, [RECONCILE, '--apply'], { env: environment(), stdio: 'ignore' });
    cutAt(5, () => child.kill('SIGKILL'));
    await once(child, 'exit');
    const kept = (await rows()).length - 1;
    expect(kept).toBeGreaterThan(3);
    expect(kept).toBeLessThan(20);
    cutAt(Number.POSITIVE_INFINITY, () => undefined);
    const before = proxy.calls.length;
    const { code, output, progress } = await run(['--apply']);
    expect(code).toBe(0);
    expect(progress).toContain('Going on with the run that began at');
    expect(proxy.calls.slice(before).find(({ path }) => path.includes('created_at_after'))?.path).toBeDefined();
    expect(output).toContain('missing here: 20');
    expect((await rows()).filter(({ deleted_at: deletedAt }) => !deletedAt)).toHaveLength(20);
    expect(await row(orphan)).toMatchObject({ deleted_at: expect.any(Date) });
    expect((await findings()).found).toEqual([]);
  });

  it('finishes its page on a signal, and --restart begins anew', async () => {
    users(12);
    const stopping = new AbortController();
    cutAt(3, () => stopping.abort());
    const stopped = await run(['--apply'], environment(), stopping.signal);
    expect(stopped.code).toBe(1);
    expect(stopped.output).toContain('Stopped; run the same command again to go on.');
    cutAt(Number.POSITIVE_INFINITY, () => undefined);
    const { code, progress } = await run(['--apply', '--restart']);
    expect([code, progress]).toEqual([0, expect.not.stringContaining('Going on')]);
    expect(await rows()).toHaveLength(12);
  });

  it('is not gone on with by a run of the other kind', async () => {
    users(12);
    const stopping = new AbortController();
    cutAt(3, () => stopping.abort());
    await run([], environment(), stopping.signal);
    expect((await run(['--apply'])).progress).not.toContain('Going on');
  });

  it('keeps a second one out while it runs', async () => {
    let second: Promise<{ code: number; progress: string }> | undefined;
    users(1);
    proxy.meddle = async () => {
      second ??= run();
      await second;
    };
    expect((await run()).code).toBe(0);
    expect(await second).toMatchObject({
      code: 1,
      progress: expect.stringContaining('Another clerk:reconcile is running'),
    });
  });
});

describe('a user who is deleted here and alive at Clerk', () => {
  it('is told, and left deleted by --apply', async () => {
    const [user] = await backfilled(1);
    await drift("deleted_at = now(), email = null, updated_at = now() - interval '1 minute'", user.id);
    const { code, output } = await run(['--apply']);
    expect(code).toBe(0);
    expect(output).toContain(`deleted here, alive at Clerk: 1\n  ${user.id}\n  to bring one back:`);
    expect(await row(user.id)).toMatchObject({ deleted_at: expect.any(Date) });
  });

  it('is brought back by --revive alone, with what Clerk says', async () => {
    const [user] = await backfilled(1);
    await drift('deleted_at = now(), email = null, clerk_updated_at = clerk_updated_at + 1000', user.id);
    expect(await run(['--revive', user.id])).toMatchObject({ code: 0, output: `${user.id} is alive here again\n` });
    expect(await row(user.id)).toMatchObject({
      deleted_at: null,
      email: user.email_addresses[0]?.email_address,
      clerk_updated_at: String(user.updated_at),
    });
    expect((await findings()).found).toEqual([]);
  });

  it('is not brought back when there is nobody to bring back', async () => {
    const [living] = await backfilled(1);
    const dead = await anOrphan();
    await drift('deleted_at = now()', dead);
    expect(await run(['--revive', living.id])).toMatchObject({
      code: 1,
      progress: `${living.id}: is not deleted here\n`,
    });
    expect(await run(['--revive', dead])).toMatchObject({ code: 1, progress: `${dead}: is not alive at Clerk\n` });
  });
});

describe('the walk by creation', () => {
  /** Each page has one, who leaves before the next. */
  const ONE_AFTER_THE_OTHER = {
    times: [1, 1, 1, 1],
    isImport: false,
    cuts: [1, 1, 2, 1],
    leavers: [4, 0, 5, 1, 2],
    isInclusive: false,
    broken: [],
  };

  it('finds everybody who is there all the time, however pages are cut and whoever goes', async () => {
    const shape = fc.record({
      times: fc.array(fc.integer({ min: 1, max: 12 }), { maxLength: 60 }),
      isImport: fc.boolean(),
      cuts: fc.array(fc.integer({ min: 1, max: 7 }), { minLength: 1, maxLength: 20 }),
      leavers: fc.uniqueArray(fc.nat(59), { maxLength: 20 }),
      isInclusive: fc.boolean(),
      broken: fc.uniqueArray(fc.nat(59), { maxLength: 30 }),
    });
    await fc.assert(
      fc.asyncProperty(shape, async ({ times, isImport, cuts, leavers, isInclusive, broken }) => {
        const created = isImport ? times.toSorted((a, b) => a - b) : times.map((_, index) => index + 1);
        const items = created.map((at, index) => ({ id: `id${index}`, created_at: at }));
        const leaving = isImport ? [] : leavers;
        const stayers = items.filter((_, index) => !leaving.includes(index)).map(({ id }) => id);
        const gone = new Set<string>();
        let calls = 0;
        const list = async (after: number, offset: number) => {
          const cut = cuts[calls % cuts.length] ?? 1;
          gone.add(`id${leaving[calls]}`);
          calls++;
          const bound = isInclusive ? after - 1 : after;
          const there = items.filter(({ id, created_at: at }) => at > bound && !gone.has(id));
          const page = there.slice(offset, offset + cut);
          return page.map((item) => (isBroken(item.id) ? new Unreadable(item.id) : item));
        };
        const isBroken = (id: string) => broken.includes(Number(id.slice(2)));
        const seen = new Set<string>();
        const walked: string[] = [];
        for await (const { items: some, unreadable } of walkByCreation(list, seen)) {
          expect([some.some(({ id }) => isBroken(id)), unreadable.every(isBroken)]).toEqual([false, true]);
          walked.push(...some.map(({ id }) => id), ...unreadable);
        }
        expect(new Set(walked).size).toBe(walked.length);
        for (const id of stayers) expect(walked).toContain(id);
      }),
      { examples: [[ONE_AFTER_THE_OTHER]] },
    );
  });
});
