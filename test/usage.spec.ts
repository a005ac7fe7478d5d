import { beforeAll, describe, expect, it, jest } from '@jest/globals';
import { EntityManager } from '@mikro-orm/postgresql';
import fc from 'fast-check';
import type { Payer, Usage } from '../src/billing/index.ts';
import { enterScope, transaction } from '../src/database/index.ts';
import { Problem } from '../src/http/index.ts';
import type { TestApp } from './support/app.ts';
import { TestClerk } from './support/clerk.ts';
import { until } from './support/until.ts';
import { aPayingTenant, aPayingUser, counted, isLocked, LIMIT, startWithBook, usageIn } from './support/usage.ts';

let clerk: TestClerk;
let app: TestApp;
let usage: Usage;

beforeAll(async () => {
  clerk = await TestClerk.start();
  app = await startWithBook(clerk, { more: clerk.productionEnv });
  usage = usageIn(app);
});

const aTenant = async () => (await aPayingTenant(clerk, app)).payer;
const aUser = async () => (await aPayingUser(clerk, app)).payer;

const isMirrored = async ({ id }: Payer) =>
  (await app.database.query('select from subscriptions where owner_id = $1', [id])).length > 0;

/** What is refused, by its code; else how much is used then. */
const answerOf = async (consuming: Promise<{ used: number }>) =>
  consuming.then(
    ({ used }) => used,
    (error: unknown) => (error instanceof Problem ? error.code : Promise.reject(error as Error)),
  );

/** A transaction of a use case of that payer. */
async function inTransaction<T>(payer: Payer, work: (em: EntityManager) => Promise<T>): Promise<T> {
  const em = app.orm.em.fork();
  enterScope(em, {
    tenantId: payer.kind === 'tenant' ? payer.id : null,
    userId: payer.kind === 'user' ? payer.id : null,
  });
  return transaction(em, work);
}

describe('usage', () => {
  it('counts up to a hard limit, and says how the meter stands', async () => {
    const payer = await aTenant();
    const now = new Date();
    const monthAt = (months: number) => new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth() + months));
    const [start, end] = [monthAt(0), monthAt(1)];
    const periods = { periodStart: start, resetsAt: end };
    const reading = { meter: 'reports.make', limit: LIMIT, isExceeded: false, ...periods };
    expect(await usage.used(payer, 'reports.make')).toEqual({ ...reading, used: 0, left: LIMIT });
    expect(await usage.consume(payer, 'reports.make', 4)).toEqual({ ...reading, used: 4, left: LIMIT - 4 });
    expect(await usage.consume(payer, 'reports.make', LIMIT - 4)).toEqual({ ...reading, used: LIMIT, left: 0 });
    const refused = usage.consume(payer, 'reports.make', 1);
    await expect(refused).rejects.toMatchObject({
      code: 'quota_exceeded',
      status: 429,
      members: { limit: LIMIT, used: LIMIT, resetsAt: end.toISOString() },
      headers: {
        'retry-after': expect.stringMatching(/^\d+$/),
        ratelimit: expect.stringMatching(/^"reports\.make";r=0;t=\d+$/),
        'ratelimit-policy': `"reports.make";q=${LIMIT};w=${(end.getTime() - start.getTime()) / 1000}`,
      },
    });
    expect(await counted(app.database, payer)).toEqual({ used: { 'reports.make': LIMIT }, reserved: 0 });
  });

  it('refuses what does not fit whole, and then what fits is granted', async () => {
    const payer = await aTenant();
    await usage.consume(payer, 'reports.make', LIMIT - 2);
    expect(await answerOf(usage.consume(payer, 'reports.make', 3))).toBe('quota_exceeded');
    expect(await answerOf(usage.consume(payer, 'reports.make', 2))).toBe(LIMIT);
  });

  it('of a meter that counts for good is refused with 402, and no time to try again', async () => {
    const payer = await aTenant();
    expect(await usage.consume(payer, 'files.keep', LIMIT)).toMatchObject({
      periodStart: new Date(0),
      resetsAt: null,
      left: 0,
    });
    const problem: unknown = await usage.consume(payer, 'files.keep', 1).catch((error: unknown) => error);
    expect(problem).toMatchObject({ code: 'quota_exceeded', status: 402, members: { resetsAt: null } });
    expect((problem as Problem).headers).toEqual({
      ratelimit: '"files.keep";r=0',
      'ratelimit-policy': `"files.keep";q=${LIMIT}`,
    });
  });

  it('passes a soft limit, and tells', async () => {
    const payer = await aTenant();
    expect(await usage.consume(payer, 'mails.send', LIMIT)).toMatchObject({ left: 0, isExceeded: false });
    expect(await usage.consume(payer, 'mails.send', 5)).toMatchObject({ used: 15, left: 0, isExceeded: true });
  });

  it('without a limit is counted', async () => {
    const payer = await aTenant();
    expect(await usage.consume(payer, 'pages.read', 1_000_000_000)).toMatchObject({ limit: null, left: null });
    expect(await usage.used(payer, 'pages.read')).toMatchObject({ used: 1_000_000_000, isExceeded: false });
  });

  it('of what the plan does not include is refused', async () => {
    const refused = usage.consume(await aTenant(), 'rockets.launch', 1);
    await expect(refused).rejects.toMatchObject({
      code: 'quota_exceeded',
      status: 402,
      detail: 'The plan has no rockets.launch.',
      members: { limit: 0, used: 0 },
    });
  });

  it('of more than the limit is refused with 402: no other period has so much', async () => {
    const refused = usage.consume(await aTenant(), 'reports.make', LIMIT + 1);
    await expect(refused).rejects.toMatchObject({ code: 'quota_exceeded', status: 402, members: { used: 0 } });
  });

  it('that lapsed is forgotten, in the period that runs and in those before', async () => {
    const payer = await aTenant();
    await usage.consume(payer, 'reports.make', 5);
    await app.database.query(
      `with counter as (update usage set lapses_at = now() - interval '1 s' where owner_id = $1)
       insert into usage_reservations (id, owner_id, meter, period_start, amount, expires_at)
       select gen_random_uuid(), owner_id, meter, period_start - make_interval(months => before), 1, now() - interval '1 s'
       from usage, generate_series(0, 1) as before where owner_id = $1`,
      [payer.id],
    );
    expect(await answerOf(usage.consume(payer, 'reports.make', 1))).toBe(5);
    expect(await counted(app.database, payer)).toEqual({ used: { 'reports.make': 5 }, reserved: 0 });
  });

  it('counts months from the start of a subscription that is told of after something was counted for good', async () => {
    const payer = await aTenant();
    await usage.consume(payer, 'files.keep', 1);
    const began = async () =>
      (
        await app.database.query<{ started_at: Date }>('select started_at from subscriptions where owner_id = $1', [
          payer.id,
        ])
      )[0];
    const { started_at } = (await until(began)) ?? {};
    expect(started_at).toEqual(expect.any(Date));
    await until(async () => (await usage.used(payer, 'reports.make')).periodStart.getTime() === started_at?.getTime());
  });

  it('is not given back of what others have reserved', async () => {
    const payer = await aTenant();
    await usage.consume(payer, 'files.keep', 3);
    const held = await app.database.query(
      `select used, granted from take_usage($1, 'tenant', 'files.keep', to_timestamp(0), $2, '{2}', '{null}',
         array[gen_random_uuid()], '1 minute')`,
      [payer.id, LIMIT],
    );
    expect(held).toEqual([{ used: '5', granted: [true] }]);
    expect(await usage.giveBack(payer, 'files.keep', 20)).toMatchObject({ used: 2 });
    expect(await counted(app.database, payer)).toEqual({ used: { 'files.keep': 2 }, reserved: 2 });
  });

  it('has the provider asked about a payer once something is counted, so that its months stay as they are', async () => {
    const payer = await aTenant();
    const asked = () => app.database.query('select from billing_rereads where clerk_id = $1', [payer.clerkId]);
    const { periodStart } = await usage.used(payer, 'reports.make');
    const [begun, over] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    const other = inTransaction(payer, async (em) => {
      await em.execute(
        "insert into usage (id, owner_id, meter, period_start) values (gen_random_uuid(), ?, 'reports.make', ?)",
        [payer.id, periodStart],
      );
      begun.resolve();
      await over.promise;
    });
    await begun.promise;
    const first = answerOf(usage.consume(payer, 'reports.make', 1));
    await isLocked(app.database, 'take_usage');
    expect(await asked()).toEqual([]);
    over.resolve();
    await other;
    expect(await first).toBe(1);
    await until(() => isMirrored(payer));
    expect(await usage.used(payer, 'reports.make')).toMatchObject({ used: 1, periodStart });
  });

  it('stands as it is counted, where the question about the payer fails', async () => {
    const payer = await aTenant();
    const [begun, over] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    const other = inTransaction(payer, async (em) => {
      await em.execute("insert into billing_rereads (clerk_id, kind, reason) values (?, 'tenant', 'a test')", [
        payer.clerkId,
      ]);
      begun.resolve();
      await over.promise;
    });
    await begun.promise;
    expect(await answerOf(usage.consume(payer, 'reports.make', 3))).toBe(3);
    over.resolve();
    await other;
    expect((await counted(app.database, payer)).used).toEqual({ 'reports.make': 3 });
  });

  it('asks nothing of the provider where the transaction is undone', async () => {
    const payer = await aTenant();
    const undone = inTransaction(payer, async () => {
      await usage.consume(payer, 'reports.make', 1);
      throw new Error('undone');
    });
    await expect(undone).rejects.toThrow('undone');
    expect(await app.database.query('select from billing_rereads where clerk_id = $1', [payer.clerkId])).toEqual([]);
    await usage.consume(payer, 'reports.make', 1);
    await until(() => isMirrored(payer));
  });

  it('announces nothing', async () => {
    const payer = await aTenant();
    await usage.consume(payer, 'reports.make', 1);
    await until(() => isMirrored(payer));
    const announced = () =>
      app.database.query('select * from changes where key in ($1, $2) order by id', [payer.id, payer.clerkId]);
    const before = await announced();
    for (const meter of ['reports.make', 'files.keep']) await usage.consume(payer, meter, 2);
    await inTransaction(payer, async () => usage.consume(payer, 'mails.send', LIMIT + 1));
    await usage.giveBack(payer, 'files.keep', 1);
    expect(await announced()).toEqual(before);
  });

  it('of many at once takes few statements', async () => {
    const payer = await aTenant();
    const execute = jest.spyOn(app.orm.em.getDriver(), 'execute');
    await Promise.all(Array.from({ length: 200 }, () => usage.consume(payer, 'pages.read', 1)));
    const taking = execute.mock.calls.filter(([sql]) => typeof sql === 'string' && sql.includes('take_usage'));
    execute.mockRestore();
    expect((await counted(app.database, payer)).used).toEqual({ 'pages.read': 200 });
    expect(taking.length).toBeLessThan(20);
  });

  it('of a user is another than that of a tenant', async () => {
    const [tenant, user] = [await aTenant(), await aUser()];
    await usage.consume(tenant, 'reports.make', 2);
    expect(await answerOf(usage.consume(user, 'reports.make', 2))).toBe(2);
    expect(await answerOf(usage.consume(user, 'reports.make', 1))).toBe('quota_exceeded');
    expect(await usage.used(tenant, 'reports.make')).toMatchObject({ used: 2 });
  });

  it('is given back, and never below nothing', async () => {
    const payer = await aTenant();
    await usage.consume(payer, 'files.keep', 5);
    expect(await usage.giveBack(payer, 'files.keep', 2)).toMatchObject({ used: 3, left: LIMIT - 3 });
    expect(await usage.giveBack(payer, 'files.keep', 20)).toMatchObject({ used: 0 });
  });

  it('is counted anew in another period, without anybody having reset it', async () => {
    const payer = await aTenant();
    await usage.consume(payer, 'reports.make', LIMIT);
    await app.database.query("update usage set period_start = period_start - interval '1 month' where owner_id = $1", [
      payer.id,
    ]);
    expect(await answerOf(usage.consume(payer, 'reports.make', 1))).toBe(1);
  });
});

describe('an amount that cannot be counted', () => {
  const bad = [0, -1, 0.5, Number.NaN, Number.POSITIVE_INFINITY, 1_000_000_001, 2 ** 53, '1', null, undefined, 1n, [1]];

  it.each(bad.map((amount) => [amount]))('as %p is refused, and nothing changes', async (amount) => {
    const payer = await aTenant();
    await usage.consume(payer, 'reports.make', 3);
    const before = await counted(app.database, payer);
    for (const change of [usage.consume.bind(usage), usage.giveBack.bind(usage)])
      expect(await answerOf(change(payer, 'reports.make', amount as number))).toBe('invalid_input');
    expect(await counted(app.database, payer)).toEqual(before);
  });

  it.each<[what: string, key: unknown]>([
    ['is empty', ''],
    ['is too long', 'x'.repeat(256)],
    ['has U+0000', 'a\0b'],
    ['has half a surrogate pair', '\ud800'],
    ['is null', null],
    ['is a number', 7],
  ])('is as little counted under a key that %s', async (_, key) => {
    const payer = await aTenant();
    const options = { idempotencyKey: key as string };
    expect(await answerOf(usage.consume(payer, 'reports.make', 1, options))).toBe('invalid_input');
    expect(await counted(app.database, payer)).toEqual({ used: {}, reserved: 0 });
  });

  it('is as little counted of a meter that does not exist, which is named', async () => {
    const payer = await aTenant();
    for (const ask of [
      () => usage.consume(payer, 'nope', 1),
      () => usage.giveBack(payer, 'nope', 1),
      () => usage.used(payer, 'constructor'),
    ])
      await expect(ask()).rejects.toThrow(/nope|constructor/);
  });
});

describe('an idempotency key', () => {
  it('counts once, and is granted when nothing is left', async () => {
    const payer = await aTenant();
    const idempotencyKey = `"{\\,}'\n😀`;
    expect(await answerOf(usage.consume(payer, 'reports.make', LIMIT, { idempotencyKey }))).toBe(LIMIT);
    expect(await answerOf(usage.consume(payer, 'reports.make', LIMIT, { idempotencyKey }))).toBe(LIMIT);
    expect(await answerOf(usage.consume(payer, 'reports.make', 1))).toBe('quota_exceeded');
    const keys = await app.database.query('select key from usage_keys where owner_id = $1', [payer.id]);
    expect(keys).toEqual([{ key: idempotencyKey }]);
  });

  it('is refused with another amount, which would be had for nothing', async () => {
    const payer = await aTenant();
    const options = { idempotencyKey: 'order-1' };
    await usage.consume(payer, 'reports.make', 2, options);
    for (const amount of [1, LIMIT, 1000])
      expect(await answerOf(usage.consume(payer, 'reports.make', amount, options))).toBe('idempotency_key_reused');
    expect(await answerOf(usage.consume(payer, 'reports.make', 2, options))).toBe(2);
  });

  it('counts once among those who are joined, and for each payer and meter', async () => {
    const [payer, other] = [await aTenant(), await aTenant()];
    const options = { idempotencyKey: 'order-1' };
    const both = [payer, other].flatMap((one) => Array.from({ length: 50 }, () => one));
    await Promise.all(both.map((one) => usage.consume(one, 'reports.make', 1, options)));
    await usage.consume(payer, 'files.keep', 1, options);
    expect((await counted(app.database, payer)).used).toEqual({ 'reports.make': 1, 'files.keep': 1 });
    expect((await counted(app.database, other)).used).toEqual({ 'reports.make': 1 });
  });

  it('that was refused can be asked again', async () => {
    const payer = await aTenant();
    const options = { idempotencyKey: 'order-1' };
    await usage.consume(payer, 'files.keep', LIMIT);
    expect(await answerOf(usage.consume(payer, 'files.keep', 1, options))).toBe('quota_exceeded');
    await usage.giveBack(payer, 'files.keep', 1);
    expect(await answerOf(usage.consume(payer, 'files.keep', 1, options))).toBe(LIMIT);
  });

  it('counts once also over the end of a period', async () => {
    const payer = await aTenant();
    const options = { idempotencyKey: 'order-1' };
    await usage.consume(payer, 'reports.make', 1, options);
    await app.database.query(
      `with gone as (update usage set period_start = period_start - interval '1 month' where owner_id = $1)
       update usage_keys set period_start = period_start - interval '1 month' where owner_id = $1`,
      [payer.id],
    );
    expect(await answerOf(usage.consume(payer, 'reports.make', 1, options))).toBe(0);
  });

  it('counts once also among two that are asked while a period ends', async () => {
    const payer = await aTenant();
    const take = (period: string) =>
      `select used, granted from take_usage('${payer.id}', 'tenant', 'files.keep', '${period}', 10, '{1}', '{order-1}',
         array[gen_random_uuid()], null)`;
    const later = await inTransaction(payer, async (em) => {
      expect(await em.execute(take('2026-01-01'))).toEqual([{ used: '1', granted: [true] }]);
      const waiting = app.database.query(take('2026-02-01'));
      await isLocked(app.database, 'take_usage');
      return { waiting };
    });
    expect(await later.waiting).toEqual([{ used: '0', granted: [true] }]);
  });

  it('gives back what was counted under it, where it was counted, and once', async () => {
    const payer = await aTenant();
    const options = { idempotencyKey: 'order-1' };
    await usage.consume(payer, 'files.keep', 5);
    await usage.consume(payer, 'files.keep', 3, options);
    const back = Array.from({ length: 5 }, () => usage.giveBack(payer, 'files.keep', 4, options));
    await Promise.all(back);
    expect(await usage.used(payer, 'files.keep')).toMatchObject({ used: 5 });
    expect(await answerOf(usage.giveBack(payer, 'files.keep', 1, { idempotencyKey: 'never' }))).toBe(5);
    expect(await answerOf(usage.consume(payer, 'files.keep', 3, options))).toBe(8);
  });

  it('is forgotten after 35 days', async () => {
    const payer = await aTenant();
    const [old, fresh] = [{ idempotencyKey: 'old' }, { idempotencyKey: 'fresh' }];
    for (const options of [old, fresh]) await usage.consume(payer, 'reports.make', 1, options);
    await app.database.query("update usage_keys set at = at - interval '36 days' where key = 'old'");
    await usage.consume(payer, 'reports.make', 1, { idempotencyKey: 'another' });
    const keys = await app.database.query('select key from usage_keys where owner_id = $1 order by key', [payer.id]);
    expect(keys).toEqual([{ key: 'another' }, { key: 'fresh' }]);
  });
});

describe('usage in a transaction', () => {
  it('is of that transaction: it commits with it', async () => {
    const payer = await aTenant();
    await inTransaction(payer, async () => {
      await usage.consume(payer, 'files.keep', 3);
      expect(await usage.used(payer, 'files.keep')).toMatchObject({ used: 3 });
      expect(await counted(app.database, payer)).toEqual({ used: {}, reserved: 0 });
      await usage.giveBack(payer, 'files.keep', 1);
    });
    expect(await counted(app.database, payer)).toEqual({ used: { 'files.keep': 2 }, reserved: 0 });
  });

  it('is undone with it, the key too', async () => {
    const payer = await aTenant();
    await usage.consume(payer, 'files.keep', 1);
    const options = { idempotencyKey: 'order-1' };
    const failing = inTransaction(payer, async () => {
      await usage.consume(payer, 'files.keep', 3, options);
      await usage.giveBack(payer, 'files.keep', 1);
      throw new Error('it fails');
    });
    await expect(failing).rejects.toThrow('it fails');
    expect((await counted(app.database, payer)).used).toEqual({ 'files.keep': 1 });
    expect(await answerOf(usage.consume(payer, 'files.keep', 3, options))).toBe(4);
  });

  it('leaves the scope as it was', async () => {
    const [payer, other] = [await aTenant(), await aUser()];
    await inTransaction(payer, async (em) => {
      const scope = () =>
        em.execute("select current_setting('app.tenant_id') as tenant, current_setting('app.user_id') as person");
      const before = await scope();
      for (const one of [payer, other]) {
        await usage.consume(one, 'reports.make', 1);
        await usage.giveBack(one, 'reports.make', 1);
        expect(await scope()).toEqual(before);
      }
    });
  });

  it('makes the others wait, and is exact with them', async () => {
    const payer = await aTenant();
    const inside = Array.from({ length: 5 }, () =>
      answerOf(inTransaction(payer, () => usage.consume(payer, 'files.keep', 1))),
    );
    const outside = Array.from({ length: 10 }, () => answerOf(usage.consume(payer, 'files.keep', 1)));
    const answers = await Promise.all([...inside, ...outside]);
    expect(answers.filter((answer) => answer === 'quota_exceeded')).toHaveLength(5);
    expect((await counted(app.database, payer)).used).toEqual({ 'files.keep': LIMIT });
  });
});

describe('the usage of a tenant', () => {
  it('is neither seen nor changed by the statements of another', async () => {
    const [ours, theirs] = [await aTenant(), await aTenant()];
    await usage.consume(theirs, 'files.keep', 5, { idempotencyKey: 'order-1' });
    const before = await counted(app.database, theirs);
    await inTransaction(ours, async (em) => {
      for (const table of ['usage', 'usage_keys', 'usage_reservations']) {
        expect(await em.execute(`select * from ${table}`)).toEqual([]);
        expect(await em.execute(`delete from ${table}`, [], 'run')).toMatchObject({ affectedRows: 0 });
      }
      expect(await em.execute('update usage set used = 0', [], 'run')).toMatchObject({ affectedRows: 0 });
    });
    const writing = inTransaction(ours, (em) =>
      em.execute("insert into usage (id, owner_id, meter, period_start) values (gen_random_uuid(), ?, 'x', now())", [
        theirs.id,
      ]),
    );
    await expect(writing).rejects.toThrow(/row-level security/);
    expect(await counted(app.database, theirs)).toEqual(before);
  });
});

describe('any sequence of what is consumed and given back', () => {
  const steps = fc.array(
    fc.record({
      verb: fc.constantFrom('consume', 'giveBack'),
      amount: fc.integer({ min: 1, max: LIMIT }),
      key: fc.option(fc.constantFrom('a', 'b', 'c'), { nil: undefined }),
      inTransaction: fc.boolean(),
    }),
    { maxLength: 12 },
  );

  it('counts what a model of it does', async () => {
    await fc.assert(
      fc.asyncProperty(steps, async (all) => {
        const payer = await aTenant();
        let used = 0;
        const keys = new Map<string, number>();
        for (const { verb, amount, key, ...how } of all) {
          const ask = () => usage[verb as 'consume'](payer, 'files.keep', amount, { idempotencyKey: key });
          const answer = await answerOf(how.inTransaction ? inTransaction(payer, ask) : ask());
          const under = key === undefined ? undefined : keys.get(key);
          if (verb === 'giveBack') {
            used = Math.max(0, used - (key === undefined ? amount : Math.min(amount, under ?? 0)));
            if (key !== undefined) keys.delete(key);
          } else if (under === undefined && used + amount <= LIMIT) {
            used += amount;
            if (key !== undefined) keys.set(key, amount);
          } else if (under !== amount) {
            expect(answer).toBe(under === undefined ? 'quota_exceeded' : 'idempotency_key_reused');
            continue;
          }
          expect(answer).toBe(used);
        }
      }),
      { numRuns: 25 },
    );
  });
});
