import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { ShownItem } from '../local/clerk/subscription-shown.ts';
import { billingOptionsOf, type Gives } from '../src/commands/billing-options.ts';
import { giftOf } from '../src/commands/billing-override.ts';
import { UsageError } from '../src/commands/usage-error.ts';
import { ENTITLEMENTS } from '../src/entitlements.ts';
import { environmentOf, startApp, type TestApp } from './support/app.ts';
import { TestClerk } from './support/clerk.ts';
import type { Caller } from './support/tenants.ts';
import { until } from './support/until.ts';
import { aPayingTenant, aPayingUser } from './support/usage.ts';

const COMMAND = join(import.meta.dirname, '../dist/src/commands/billing.js');
const DAY_MS = 86_400_000;
/** As long as it may be. */
const REASON = 'x'.repeat(500);
const FOREVER = ['--no-end', '--reason', 'A test'];

let clerk: TestClerk;
let app: TestApp;

interface Ended {
  code: number;
  stdout: string;
  stderr: string;
}

/** `npm run billing -- …`, as a process of its own. */
function billing(...args: string[]): Promise<Ended> {
  return billingIn({}, ...args);
}

async function billingIn(own: Record<string, string>, ...args: string[]): Promise<Ended> {
  const env = {
    PATH: process.env.PATH,
    ...environmentOf(clerk, app.database),
    CLERK_INSTANCE_ID: clerk.instanceId,
    ...own,
  };
  return promisify(execFile)(process.execPath, [COMMAND, ...args], { env }).then(
    (output) => ({ code: 0, ...output }),
    (error: Ended) => error,
  );
}

/** For a script; the payments are of `show`. */
type Answer = Record<string, unknown> & { payments?: { providerId: string }[] };

/** What it answers for a script. */
async function answer(...args: string[]): Promise<Answer> {
  const { code, stdout, stderr } = await billing(...args, '--json');
  expect([code, stderr]).toEqual([0, '']);
  expect(stdout.trim().split('\n')).toHaveLength(1);
  return JSON.parse(stdout) as Answer;
}

interface Payer {
  /** Ours, and Clerk's. */
  id: string;
  clerkId: string;
  token: Caller;
}

/** A tenant that the application has met; Clerk has told nothing of its subscription. */
async function aTenant(): Promise<Payer> {
  const { payer, token } = await aPayingTenant(clerk, app);
  return { ...payer, token };
}

async function aUser(): Promise<Payer> {
  const { payer, token } = await aPayingUser(clerk, app);
  return { ...payer, token };
}

/** A tenant in a free trial of the plan pro, which the application was told. */
async function aTenantOnTrial(): Promise<Payer & { endsAt: number }> {
  const tenant = await aTenant();
  const { subscription_items: items } = clerk.billing.subscribe(tenant.clerkId, 'pro', { trial: true });
  await until(async () => (await subscriptionOf(tenant)).plan === 'pro');
  return { ...tenant, endsAt: trialIn(items)?.period_end ?? 0 };
}

const trialIn = (items: ShownItem[]) => items.find(({ is_free_trial: isTrial }) => isTrial);
const trialEndAtClerk = ({ clerkId }: Payer) => trialIn(clerk.billing.get(clerkId).subscription_items)?.period_end;
const subscriptionOf = async ({ token }: Payer) => (await app.as(token(), '/v1/billing/subscription')).body;

async function entitlementOf({ token }: Payer, feature: string) {
  const { body } = await app.as(token(), '/v1/billing/entitlements');
  return (body.data as { feature: string }[]).find((each) => each.feature === feature) as Record<string, unknown>;
}

const overridesOf = ({ id }: Payer) =>
  app.database.query<Record<string, unknown>>(
    'select feature, is_granted, "limit", ends_at, reason from entitlement_overrides where owner_id = $1 order by feature',
    [id],
  );

beforeAll(async () => {
  clerk = await TestClerk.start();
  app = await startApp(clerk, { CLERK_INSTANCE_ID: clerk.instanceId });
});

beforeEach(() => {
  Object.assign(clerk, { behaviour: 'answers', statuses: [] });
  clerk.deliverEventsTo(app.url);
});

describe('npm run billing', () => {
  it('says what it can do', async () => {
    const { code, stdout } = await billing('--help');
    expect(code).toBe(0);
    expect(stdout).toMatch(/show PAYER.*override PAYER FEATURE.*extend-trial PAYER/s);
  });

  const forExport = ['override', 'org_x', 'export'];
  const granted = [...forExport, '--grant'];
  const because = ['--reason', 'A test'];

  it.each([
    [[]],
    [['explode']],
    [['show']],
    [['show', 'acme']],
    [['show', 'org_x', 'export']],
    [['show', 'org_x', '--reason', 'A test']],
    [['show', 'org_x', '--colour']],
    [['override', 'org_x']],
    [[...forExport, ...FOREVER]],
    [[...granted, '--deny', ...FOREVER]],
    [[...granted, '--limit', '5', ...FOREVER]],
    [[...granted, ...because]],
    [[...granted, '--no-end']],
    [[...granted, '--no-end', '--reason', ' ']],
    [[...granted, '--no-end', '--reason', 'x'.repeat(501)]],
    [[...granted, '--no-end', '--for', '30d', ...because]],
    [[...granted, '--until', '2020-01-31', ...because]],
    [[...granted, '--until', '2999-02-30', ...because]],
    [[...granted, '--until', 'tomorrow', ...because]],
    [[...granted, '--until', '2999-01-31T12:00', ...because]],
    [[...granted, '--for', '30', ...because]],
    [[...granted, '--for', '0d', ...because]],
    [[...granted, 'audit', ...FOREVER]],
    [[...forExport, '--limit', '-1', ...FOREVER]],
    [[...forExport, '--limit=-1', ...FOREVER]],
    [[...forExport, '--limit', '1.5', ...FOREVER]],
    [[...forExport, '--limit', 'many', ...FOREVER]],
    [[...forExport, '--remove', '--grant']],
    [[...forExport, '--remove', ...because]],
    [['extend-trial', 'org_x']],
    [['extend-trial', 'org_x', '--days', '0']],
    [['extend-trial', 'org_x', '--days', '366']],
    [['extend-trial', 'org_x', '--days', '1.5']],
    [['extend-trial', 'org_x', '--days', '5', '--until', '2999-01-31']],
    [['extend-trial', 'org_x', '--until', '2020-01-31']],
    [['extend-trial', 'org_x', '--days', '5', ...because]],
  ])('refuses %j', (args) => {
    expect(() => billingOptionsOf(args)).toThrow(UsageError);
  });

  it('refuses misuse with a sentence, where the help is, and exit code 2', async () => {
    const { code, stderr, stdout } = await billing(...granted, ...because);
    expect([code, stdout]).toEqual([2, '']);
    expect(stderr).toMatch(/^Say until when: [^\n]+\nnpm run billing -- --help says how\.\n$/);
  });

  it.each([
    ['org_nobody', 'show', []],
    ['user_nobody', 'override', ['export', '--grant', ...FOREVER]],
    ['0198c5f0-0000-7000-8000-000000000000', 'extend-trial', ['--days', '5']],
  ])('knows no payer %s', async (payer, command, more) => {
    expect(await billing(command, payer, ...more)).toMatchObject({
      code: 2,
      stdout: '',
      stderr: expect.stringContaining(`There is no tenant or user ${payer} here.`),
    });
  });

  it('knows no payer who is deleted', async () => {
    const tenant = await aTenant();
    await app.database.query('update tenants set deleted_at = now() where id = $1', [tenant.id]);
    expect(await billing('show', tenant.id)).toMatchObject({ code: 2, stdout: '' });
  });

  it('says what it waits for where the database is not ready', async () => {
    const nowhere = app.database.url.replace(/[^/]*$/, 'nowhere');
    const { code, stderr, stdout } = await billingIn({ DATABASE_URL: nowhere }, 'show', 'org_x');
    expect([code, stdout]).toEqual([1, '']);
    expect(stderr).toMatch(/^Not ready, waiting for [^\n]+\n$/);
  });
});

describe('npm run billing -- override', () => {
  it('gives a feature to a tenant, which a running instance is told, and takes it back', async () => {
    const tenant = await aTenant();
    expect(await entitlementOf(tenant, 'export')).toMatchObject({ granted: false, reason: 'none' });
    const given = await billing('override', tenant.clerkId, 'export', '--grant', ...FOREVER);
    expect(given).toEqual({ code: 0, stderr: '', stdout: `${tenant.clerkId}: export is granted without an end\n` });
    await until(async () => (await entitlementOf(tenant, 'export')).granted === true);
    expect(await entitlementOf(tenant, 'export')).toMatchObject({ reason: 'override' });
    const removed = await billing('override', tenant.clerkId, 'export', '--remove');
    expect(removed).toMatchObject({ code: 0, stdout: `${tenant.clerkId}: of export the plan alone counts again\n` });
    await until(async () => (await entitlementOf(tenant, 'export')).granted === false);
    expect(await billing('override', tenant.clerkId, 'export', '--remove')).toMatchObject({
      code: 1,
      stdout: '',
      stderr: 'There is no override of export.\n',
    });
  });

  it('takes a feature from a user by our id, and takes the place of the override before', async () => {
    const user = await aUser();
    const first = await answer('override', user.id, 'export', '--grant', '--for', '12h', '--reason', 'First');
    expect(first).toMatchObject({ payer: { kind: 'user', id: user.id, clerkId: user.clerkId }, isGranted: true });
    const [stored] = await overridesOf(user);
    const leftMs = Number(stored?.ends_at) - Date.now();
    expect(leftMs).toBeLessThanOrEqual(12 * 3_600_000);
    expect(leftMs).toBeGreaterThan(11 * 3_600_000);
    const second = await answer(
      'override',
      user.clerkId,
      'export',
      '--deny',
      '--until',
      '2999-01-31',
      '--reason',
      'Second',
    );
    const endsAt = '2999-01-31T00:00:00.000Z';
    expect(second).toMatchObject({ feature: 'export', isGranted: false, limit: null, endsAt, reason: 'Second' });
    expect(await overridesOf(user)).toEqual([
      { feature: 'export', is_granted: false, limit: null, ends_at: new Date(endsAt), reason: 'Second' },
    ]);
    await until(async () => (await entitlementOf(user, 'export')).reason === 'override');
    expect(await entitlementOf(user, 'export')).toMatchObject({ granted: false });
  });

  it('is over at its end, in a running instance too', async () => {
    const tenant = await aTenant();
    await answer('override', tenant.id, 'audit', '--grant', '--for', '90m', '--reason', 'A test');
    await until(async () => (await entitlementOf(tenant, 'audit')).granted === true);
    // as if it had been given for a second more
    await app.database.query(
      `with ending as (update entitlement_overrides set ends_at = now() + interval '1 s' where owner_id = $1)
       insert into changes (topic, key) values ('billing', $2)`,
      [tenant.id, tenant.clerkId],
    );
    await until(async () => (await entitlementOf(tenant, 'audit')).granted === false);
    const { stdout } = await billing('show', tenant.id);
    expect(stdout).toMatch(/^audit is granted until \S+ \(over\): A test$/m);
  });

  it('says how much of a meter, and how many seats', async () => {
    const tenant = await aTenant();
    await answer('override', tenant.id, 'projects.create', '--limit', '7', ...FOREVER);
    await until(async () => (await entitlementOf(tenant, 'projects.create')).limit === 7);
    await answer('override', tenant.id, 'projects.create', '--unlimited', ...FOREVER);
    await until(async () => (await entitlementOf(tenant, 'projects.create')).limit === null);
    expect(await entitlementOf(tenant, 'projects.create')).toMatchObject({ granted: true, used: 0, left: null });
    await answer('override', tenant.id, 'projects.create', '--deny', ...FOREVER);
    await until(async () => (await entitlementOf(tenant, 'projects.create')).granted === false);
    const { stdout } = await billing('override', tenant.id, 'seats', '--limit', '40', ...FOREVER);
    expect(stdout).toBe(`${tenant.clerkId}: seats is granted up to 40 without an end\n`);
    expect(await overridesOf(tenant)).toMatchObject([
      { feature: 'projects.create', is_granted: false, limit: null },
      { feature: 'seats', is_granted: true, limit: '40' },
    ]);
  });

  it('refuses what no plan has, and stores nothing', async () => {
    const tenant = await aTenant();
    const { code, stdout, stderr } = await billing('override', tenant.id, 'exports', '--grant', ...FOREVER);
    expect([code, stdout]).toEqual([2, '']);
    const features = new Set(Object.values(ENTITLEMENTS.plans).flatMap((plan) => plan.features));
    const counted = [...Object.keys(ENTITLEMENTS.meters), 'seats'];
    expect(stderr).toContain(
      `There is no feature exports. Features: ${[...features].toSorted().join(', ')}. Counted: ${counted.join(', ')}.\n`,
    );
    expect(await overridesOf(tenant)).toEqual([]);
  });

  it.each<[string, Gives, 'tenant' | 'user', string]>([
    ['Export', 'deny', 'tenant', 'There is no feature Export.'],
    ['calls', 'grant', 'tenant', 'calls is counted: say how much by --limit N or --unlimited.'],
    ['seats', 'grant', 'tenant', 'seats is counted: say how much by --limit N or --unlimited.'],
    ['seats', 5, 'user', 'Seats are of a tenant; a user has none.'],
    ['export', 5, 'tenant', 'export is not counted: say --grant or --deny.'],
    ['export', 'unlimited', 'tenant', 'export is not counted: say --grant or --deny.'],
  ])('refuses %s: %s for a %s', (feature, gives, kind, sentence) => {
    const choices = { features: ['export'], counted: ['calls', 'seats'] };
    expect(() => giftOf({ payer: { kind }, feature, gives }, choices)).toThrow(sentence);
  });

  it('takes a feature that Clerk’s plans alone have, and of one that is retired', async () => {
    await app.database.query(
      `insert into plans (id, provider_id, slug, name, payer, amount, currency, features, is_public, retired_at)
       values (gen_random_uuid(), 'cplan_old', 'old', 'Old', 'tenant', 1, 'USD', '["telegrams"]', false, now())`,
    );
    const tenant = await aTenant();
    await answer('override', tenant.id, 'telegrams', '--grant', ...FOREVER);
    expect(await overridesOf(tenant)).toMatchObject([{ feature: 'telegrams' }]);
    await app.database.query("delete from plans where slug = 'old'");
    // what nobody offers any more can still be taken back
    expect(await answer('override', tenant.id, 'telegrams', '--remove')).toMatchObject({ removed: true });
  });
});

describe('npm run billing -- show', () => {
  it('shows a payer of whom Clerk never told', async () => {
    const tenant = await aTenant();
    const { code, stdout, stderr } = await billing('show', tenant.clerkId);
    expect([code, stderr]).toEqual([0, '']);
    expect(stdout).toMatch(new RegExp(`^payer +tenant ${tenant.clerkId} \\(${tenant.id}\\)$`, 'm'));
    expect(stdout).toMatch(/^status +none$/m);
    expect(stdout).toContain(
      'Not mirrored: Clerk has not told of the whole subscription. Of plans and features the claims of tokens count.',
    );
    expect(stdout).toMatch(/^projects\.create +yes +plan +1000 +0 +1000 +\d{4}-/m);
    expect(await answer('show', tenant.id)).toMatchObject({
      payer: { kind: 'tenant', id: tenant.id, clerkId: tenant.clerkId },
      isMirrored: false,
      items: [],
      payments: [],
      overrides: [],
    });
  });

  it('shows one with items, payments, overrides and what is used', async () => {
    const tenant = await aTenantOnTrial();
    clerk.billing.endTrial(tenant.clerkId, { pays: true });
    clerk.billing.failPayment(tenant.clerkId);
    await until(async () => (await subscriptionOf(tenant)).status === 'past_due');
    expect((await app.as(tenant.token(), '/v1/projects', { method: 'POST', body: { name: 'One' } })).status).toBe(201);
    await answer('override', tenant.id, 'audit', '--grant', '--until', '2999-01-31', '--reason', REASON);
    await until(async () => (await answer('show', tenant.id)).payments?.length === 2);
    const { stdout } = await billing('show', tenant.id);
    expect(stdout).toMatch(/^status +past_due$/m);
    expect(stdout).toMatch(/^plan +pro$/m);
    expect(stdout).toMatch(/^access +yes, until \S+Z$/m);
    expect(stdout).toMatch(/^past due +since \S+Z, grace until \S+Z$/m);
    expect(stdout).toMatch(/^seats +25$/m);
    expect(stdout).not.toContain('Not mirrored');
    expect(stdout).toMatch(/^subi_\w+ +pro +past_due +month +/m);
    expect(stdout).toMatch(/^\S+ +failed +recurring +2000 +USD/m);
    expect(stdout).toMatch(/^audit is granted until 2999-01-31T00:00:00.000Z: x{500}$/m);
    expect(stdout).toMatch(/^audit +yes +override/m);
    expect(stdout).toMatch(/^export +yes +grace/m);
    expect(stdout).toMatch(/^projects\.create +yes +grace +10000 +1 +9999 +\d{4}-/m);
    expect(stdout).not.toMatch(/@|Ada|Acme/);
  });

  it('says the same to a script as one object', async () => {
    const tenant = await aTenantOnTrial();
    const endsAt = new Date(tenant.endsAt).toISOString();
    const report = await answer('show', tenant.id);
    expect(report).toMatchObject({
      isMirrored: true,
      subscription: {
        status: 'active',
        plan: 'pro',
        access: true,
        accessUntil: endsAt,
        trialEndsAt: endsAt,
        graceUntil: null,
      },
      items: expect.arrayContaining([
        expect.objectContaining({ plan: 'pro', status: 'active', isTrial: true, periodEnd: endsAt }),
      ]),
      entitlements: expect.arrayContaining([
        expect.objectContaining({ feature: 'export', granted: true, reason: 'plan' }),
        expect.objectContaining({ feature: 'projects.create', limit: 10_000, used: 0, left: 10_000 }),
      ]),
    });
    expect(JSON.stringify(report)).not.toMatch(/@|Ada|Acme/);
  });

  it('shows the latest ten payments', async () => {
    const tenant = await aTenantOnTrial();
    await app.database.query(
      `insert into payment_attempts (id, owner_id, provider_id, status, clerk_updated_at, clerk_event_id)
       select gen_random_uuid(), $1, 'pay_' || lpad(n::text, 2, '0'), 'paid', n, '' from generate_series(1, 12) as n`,
      [tenant.id],
    );
    const { payments } = await answer('show', tenant.id);
    const latest = Array.from({ length: 10 }, (_, index) => `pay_${String(12 - index).padStart(2, '0')}`);
    expect(payments?.map(({ providerId }) => providerId)).toEqual(latest);
  });
});

describe('npm run billing -- extend-trial', () => {
  it('moves the end at Clerk and here, by days', async () => {
    const tenant = await aTenantOnTrial();
    const later = tenant.endsAt + 30 * DAY_MS;
    const { code, stdout } = await billing('extend-trial', tenant.clerkId, '--days', '30');
    expect([code, stdout]).toEqual([0, `${tenant.clerkId}: the trial ends at ${new Date(later).toISOString()}\n`]);
    expect(trialEndAtClerk(tenant)).toBe(later);
    await until(async () => (await subscriptionOf(tenant)).trialEndsAt === new Date(later).toISOString());
  });

  it('moves it to a time, also where nobody was told of the trial', async () => {
    const tenant = await aTenant();
    clerk.events.url = undefined;
    clerk.billing.subscribe(tenant.clerkId, 'pro', { trial: true });
    const trialEndsAt = new Date(Date.now() + 60 * DAY_MS).toISOString();
    expect(await answer('extend-trial', tenant.id, '--until', trialEndsAt)).toMatchObject({ trialEndsAt });
    expect(trialEndAtClerk(tenant)).toBe(Date.parse(trialEndsAt));
    expect((await answer('show', tenant.id)).subscription).toMatchObject({ trialEndsAt, access: true });
  });

  it('extends by 365 days and no more, and never shortens', async () => {
    const tenant = await aTenantOnTrial();
    const at = (ms: number) => new Date(ms).toISOString();
    const ends = [at(tenant.endsAt + 365 * DAY_MS + 1), at(tenant.endsAt), at(tenant.endsAt - DAY_MS)];
    const refused = await Promise.all(ends.map((end) => billing('extend-trial', tenant.id, '--until', end)));
    const stderr = `The trial ends at ${at(tenant.endsAt)}: extend it to a later time, by at most 365 days.\n`;
    for (const each of refused) expect(each).toMatchObject({ code: 1, stdout: '', stderr });
    expect(trialEndAtClerk(tenant)).toBe(tenant.endsAt);
    expect((await billing('extend-trial', tenant.id, '--days', '365')).code).toBe(0);
    expect(trialEndAtClerk(tenant)).toBe(tenant.endsAt + 365 * DAY_MS);
  });

  it('says that there is no trial', async () => {
    const free = await aTenant();
    const paying = await aTenantOnTrial();
    clerk.billing.endTrial(paying.clerkId, { pays: true });
    for (const { id } of [free, paying])
      expect(await billing('extend-trial', id, '--days', '30')).toMatchObject({
        code: 1,
        stdout: '',
        stderr: 'There is no free trial that gives access.\n',
      });
  });

  it('says in a sentence what Clerk refused', async () => {
    const tenant = await aTenantOnTrial();
    clerk.billing.cancel(tenant.clerkId);
    const { code, stdout, stderr } = await billing('extend-trial', tenant.id, '--days', '30');
    expect([code, stdout]).toEqual([1, '']);
    expect(stderr).toMatch(/^Clerk answered 422 \(\w+\)\n$/);
  });

  it('says in a sentence that Clerk is away, and changes nothing', async () => {
    const tenant = await aTenantOnTrial();
    const trial = () =>
      app.database.query('select * from subscription_items where owner_id = $1 and is_trial', [tenant.id]);
    const before = await trial();
    clerk.behaviour = 'refuses';
    const { code, stdout, stderr } = await billing('extend-trial', tenant.id, '--days', '30');
    expect([code, stdout]).toEqual([1, '']);
    expect(stderr).toMatch(/^Clerk did not answer as it should \([^\n]+\)\n$/);
    expect(await trial()).toEqual(before);
  });

  it('says that a payer has no subscription where billing is off', async () => {
    const tenant = await aTenant();
    clerk.organizations.book.organizations.remove(tenant.clerkId);
    expect(await billing('extend-trial', tenant.id, '--days', '30')).toMatchObject({
      code: 1,
      stderr: 'There is no subscription: billing may be off.\n',
    });
  });
});
