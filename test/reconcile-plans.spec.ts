import { beforeEach, describe, expect, it } from '@jest/globals';
import type { ClerkProxy } from './support/clerk-proxy.ts';
import type { TestDatabase } from './support/database.ts';
import { Reconciling } from './support/reconcile.ts';

/** Of the local Clerk. */
const PLANS = ['business', 'free_org', 'free_user', 'plus', 'pro'];
const PATH = '/v1/billing/plans';

let reconciling: Reconciling;
let proxy: ClerkProxy;
let database: TestDatabase;

beforeEach(async () => {
  reconciling = await Reconciling.start();
  ({ proxy, database } = reconciling);
});

const run: Reconciling['run'] = (...args) => reconciling.run(...args);

const rows = () => database.query<Record<string, unknown>>('select * from plans order by slug');

/** The findings on plans as `kind slug`, and the counts. */
async function drift(...args: string[]) {
  const { code, output } = await run(['--json', ...args]);
  const lines = output
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>);
  const found = lines
    .filter(({ subject }) => subject === 'plans')
    .map(({ kind, id }) => `${String(kind)} ${String(id)}`);
  return { code, found: found.toSorted((one, other) => (one < other ? -1 : 1)), ...lines.at(-1) };
}

/** Clerk answers so where it is asked for its plans. */
function refusing(status: number, body: object): void {
  proxy.instead = ({ path }) => (path.startsWith(PATH) ? { status, body } : undefined);
}

const refusal = (code: string) => ({ errors: [{ code, message: code }] });

describe('clerk:reconcile', () => {
  it('tells which plans are missing, and takes them with --apply alone', async () => {
    const missing = PLANS.map((slug) => `missing ${slug}`);
    expect(await drift()).toMatchObject({
      code: 0,
      found: missing,
      plans: { missing: 5, stale: 0, orphaned: 0 },
      counts: { missing: 0 },
    });
    expect(await rows()).toEqual([]);
    expect(await drift('--apply')).toMatchObject({ code: 0, found: missing });
    expect((await rows()).map(({ slug }) => slug)).toEqual(PLANS);
    expect(await drift('--apply')).toMatchObject({ code: 0, found: [], plans: { missing: 0 } });
  });

  it('tells which are stale or retired, and repairs that with --apply alone', async () => {
    await run(['--apply']);
    const right = await rows();
    await database.query(`update plans set features = '["export"]' where slug = 'pro'`);
    await database.query(
      `insert into plans (id, provider_id, slug, name, payer, amount, currency, features, is_public)
       values (gen_random_uuid(), 'cplan_gold', 'gold', 'Gold', 'tenant', 1, 'USD', '[]', true)`,
    );
    const before = await rows();
    expect(await drift()).toMatchObject({ code: 0, found: ['orphaned gold', 'stale pro'] });
    expect(await rows()).toEqual(before);
    expect(await drift('--apply')).toMatchObject({ code: 0, found: ['orphaned gold', 'stale pro'] });
    const [gold, ...others] = (await rows()).toSorted((one) => (one.slug === 'gold' ? -1 : 1));
    expect(gold).toMatchObject({ slug: 'gold', retired_at: expect.any(Date) });
    expect(others.map(({ slug, features }) => [slug, features])).toEqual(
      right.map(({ slug, features }) => [slug, features]),
    );
    expect(await drift()).toMatchObject({ found: [] });
  });

  it.each([
    [7, expect.stringMatching(/^unreadable without an id, SHA-256 /)],
    ['cplan_broken', 'unreadable cplan_broken'],
  ])('retires none where one in the list cannot be read: it may be that one (id %j)', async (id, named) => {
    await run(['--apply']);
    proxy.meddle = (exchange) => {
      const { data } = exchange.body as { data?: { id: unknown; slug: unknown }[] };
      if (!exchange.path.startsWith(PATH)) return;
      for (const plan of data ?? []) if (plan.slug === 'pro') Object.assign(plan, { id, slug: 7 });
    };
    expect(await drift('--apply')).toMatchObject({ code: 1, found: [named], plans: { unreadable: 1, orphaned: 0 } });
    expect((await run(['--apply'])).output).toContain('plans left out, cannot be read at Clerk: 1\n');
    expect((await rows()).filter(({ retired_at }) => retired_at)).toEqual([]);
  });

  it('says it to people', async () => {
    const dry = await run();
    expect(dry.output).toContain(`plans missing here: 5\n`);
    for (const slug of PLANS) expect(dry.output).toContain(`  ${slug}\n`);
    expect(dry.output).toContain('plans stale: 0\nplans orphaned, not at Clerk any more: 0\n');
    expect(dry.output).toContain('Nothing was changed. To repair it: npm run clerk:reconcile -- --apply');
    expect((await run(['--apply'])).output).toContain('All of it was repaired.');
    expect((await run()).output).toContain('Nothing to do.');
  });

  it.each([
    [403, 'billing_not_enabled'],
    [404, 'resource_not_found'],
  ])('does the rest where Clerk answers %i to billing', async (status, code) => {
    const user = reconciling.clerk.aUser();
    refusing(status, refusal(code));
    const ended = await run(['--apply']);
    expect(ended.code).toBe(0);
    expect(ended.output).toContain('users missing here: 1\n');
    expect(ended.output).toContain(`plans: not compared: Clerk answered ${status} (${code})\n`);
    expect(ended.output).not.toContain('plans missing');
    expect(await database.query('select clerk_id from users')).toEqual([{ clerk_id: user.id }]);
    expect(await rows()).toEqual([]);
    const last = (await run(['--json'])).output.trim().split('\n').at(-1) ?? '';
    expect(JSON.parse(last)).toMatchObject({
      end: 'done',
      plans: { notCompared: `Clerk answered ${status} (${code})` },
    });
  });

  it('does the rest where Clerk does not tell its plans, and ends with exit code 1', async () => {
    const user = reconciling.clerk.aUser();
    refusing(500, {});
    const { code, output } = await run(['--apply']);
    expect(code).toBe(1);
    expect(output).toContain('plans: not compared: Clerk answered 500 (no code)\n');
    expect(await database.query('select clerk_id from users')).toEqual([{ clerk_id: user.id }]);
  });

  it('leaves plans alone when it brings one back', async () => {
    expect((await run(['--revive', 'user_nobody'])).code).toBe(1);
    expect(proxy.count('GET', PATH)).toBe(0);
  });
});
