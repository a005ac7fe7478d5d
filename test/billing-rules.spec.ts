import { afterEach, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { Controller, Get, Module, Put } from '@nestjs/common';
import { modulesOf, requestChain } from '../src/app.module.ts';
import { Accepts, RequireFeature, RequirePlan, RequireScope } from '../src/auth/index.ts';
import { CurrentPayer, Entitlements, Overrides, type Payer } from '../src/billing/index.ts';
import { readSettings } from '../src/config/index.ts';
import { ENTITLEMENTS } from '../src/entitlements.ts';
import { startApp, type TestApp } from './support/app.ts';
import { TestClerk } from './support/clerk.ts';
import { anAdmin, type Member, meet } from './support/tenants.ts';
import { until } from './support/until.ts';

const DAY_MS = 86_400_000;

/** What plans give is asked here. */
@Accepts('session_token', 'api_key')
@Controller('asks')
class AsksController {
  constructor(private readonly entitlements: Entitlements) {}

  @Get('payer')
  async payer(@CurrentPayer() payer: Payer) {
    const { plan, entitlements } = await this.entitlements.of(payer);
    return { payer: payer.clerkId, plan, export: entitlements.get('export') };
  }

  @Get('export')
  @RequireFeature('export')
  exports() {
    return {};
  }

  @Get('org-export')
  @RequireFeature('org:export')
  exportsOfOrganization() {
    return {};
  }

  @Get('user-export')
  @RequireFeature('user:export')
  exportsOfUser() {
    return {};
  }

  @Get('pro')
  @RequirePlan('org:pro')
  pro() {
    return {};
  }

  @Put('scoped')
  @RequireScope('exports')
  @RequireFeature('org:export')
  scoped() {
    return {};
  }
}

let clerk: TestClerk;
let app: TestApp;
let other: TestApp;

const start = (env: Record<string, string>, like?: TestApp) =>
  startApp(clerk, env, like?.database, (all) => {
    @Module({ imports: modulesOf(readSettings(all)), providers: requestChain, controllers: [AsksController] })
    class AsksModule {}
    return AsksModule;
  });

beforeAll(async () => {
  clerk = await TestClerk.start();
  app = await start(clerk.productionEnv);
  other = await start(clerk.productionEnv, app);
});

afterEach(() => {
  jest.restoreAllMocks();
});

async function seen(token: string, path: string, at = app, method = 'GET') {
  const { status, body } = await at.as(token, `/asks/${path}`, { method });
  return body.code ?? status;
}

/** Of two instances, until both say so. */
async function becomes(member: Member, path: string, expected: unknown): Promise<void> {
  const ask = () => Promise.all([seen(member.token(), path), seen(member.token(), path, other)]);
  await until(ask, (answers) => answers.every((answer) => answer === expected));
}

/** An admin of a tenant that we know of, and that is on that plan at Clerk. */
async function on(plan: string): Promise<Member> {
  const admin = anAdmin(clerk);
  await meet(app, admin.token());
  if (plan !== 'free_org') clerk.billing.subscribe(admin.organization.id, plan);
  return admin;
}

const mirror = (member: Member) => app.as(member.token(), '/v1/billing/subscription');

const EXPORT = { feature: 'export', limit: null, endsAt: null, reason: 'a test' };
const overrides = () => app.app.get(Overrides, { strict: false });

async function payerOf({ organization: { id: clerkId } }: Member) {
  const [tenant] = await app.database.query<{ id: string }>('select id from tenants where clerk_id = $1', [clerkId]);
  return { kind: 'tenant' as const, id: tenant?.id ?? '', clerkId };
}

const CLAIMS = { pla: 'o:pro', fea: 'o:export,o:projects' };
const NO_CLAIMS = { pla: 'o:free_org', fea: 'o:projects' };

/** By the book; the answers have them in this order. */
const featuresOf = (plan: string) => ENTITLEMENTS.plans[plan]?.features.toSorted();

describe('who is not mirrored', () => {
  it('has what the token claims', async () => {
    const { organization, user } = await on('free_org');
    const claiming = clerk.aTokenIn(organization, user, CLAIMS);
    expect(await Promise.all(['export', 'org-export', 'pro'].map((path) => seen(claiming, path)))).toEqual([
      200, 200, 200,
    ]);
    expect(await seen(clerk.aTokenIn(organization, user, NO_CLAIMS), 'export')).toBe('feature_required');
    expect((await meet(app, claiming)) as object).toMatchObject({ plan: 'pro', features: ['export', 'projects'] });
  });

  it('and is a machine has nothing but its scope', async () => {
    const { organization } = await on('free_org');
    const key = clerk.anApiKey({ subject: organization.id, scopes: ['exports'] });
    expect(await seen(key.secret, 'org-export')).toBe('feature_required');
    expect(await seen(key.secret, 'scoped', app, 'PUT')).toBe(200);
  });
});

describe('who is mirrored', () => {
  it('has what our own copy says, whatever the token claims', async () => {
    const paying = await on('pro');
    await mirror(paying);
    const silent = clerk.aTokenIn(paying.organization, paying.user, NO_CLAIMS);
    expect(await Promise.all(['export', 'org-export', 'pro'].map((path) => seen(silent, path)))).toEqual([
      200, 200, 200,
    ]);
    expect((await meet(app, silent)) as object).toMatchObject({ plan: 'pro', features: featuresOf('pro') });

    const free = await on('free_org');
    await mirror(free);
    const boasting = clerk.aTokenIn(free.organization, free.user, CLAIMS);
    expect(await Promise.all(['export', 'org-export', 'pro'].map((path) => seen(boasting, path)))).toEqual([
      'feature_required',
      'feature_required',
      'plan_required',
    ]);
    expect((await meet(app, boasting)) as object).toMatchObject({ plan: 'free_org', features: featuresOf('free_org') });
  });

  it('is asked in the scope that the rule names', async () => {
    const { organization, user } = await on('pro');
    clerk.billing.subscribe(user.id, 'plus');
    await app.as(clerk.aToken({ sub: user.id }), '/v1/billing/subscription');
    const token = () => clerk.aTokenIn(organization, user, NO_CLAIMS);
    // the user pays, and of the organization the claims count
    expect(await Promise.all(['export', 'user-export', 'org-export'].map((path) => seen(token(), path)))).toEqual([
      200,
      200,
      'feature_required',
    ]);
  });

  it('is judged by the plan, too, as a machine', async () => {
    const [paying, free] = [await on('pro'), await on('free_org')];
    await Promise.all([mirror(paying), mirror(free)]);
    const keyOf = ({ organization }: Member) =>
      clerk.anApiKey({ subject: organization.id, scopes: ['exports'] }).secret;
    expect(await seen(keyOf(paying), 'org-export')).toBe(200);
    expect(await seen(keyOf(paying), 'scoped', app, 'PUT')).toBe(200);
    expect(await seen(keyOf(free), 'scoped', app, 'PUT')).toBe('feature_required');
  });

  it('is followed on every instance, by events and by overrides', async () => {
    const admin = await on('free_org');
    await mirror(admin);
    await becomes(admin, 'org-export', 'feature_required');
    clerk.deliverEventsTo(app.url);
    clerk.billing.subscribe(admin.organization.id, 'pro');
    await becomes(admin, 'org-export', 200);
    clerk.billing.cancel(admin.organization.id, { endNow: true });
    await becomes(admin, 'org-export', 'feature_required');
    clerk.events.url = undefined;
    const payer = await payerOf(admin);
    await overrides().set(payer, { ...EXPORT, isGranted: true });
    await becomes(admin, 'org-export', 200);
    await overrides().remove(payer, 'export');
    await becomes(admin, 'org-export', 'feature_required');
    expect((await mirror(admin)).body).toMatchObject({ plan: 'free_org' });
  });

  it('is refused what an operator has taken, also as a machine that is not mirrored', async () => {
    const { organization, ...admin } = await on('free_org');
    const key = clerk.anApiKey({ subject: organization.id, scopes: ['exports'] });
    expect(await seen(key.secret, 'scoped', app, 'PUT')).toBe(200);
    await overrides().set(await payerOf({ organization, ...admin }), { ...EXPORT, isGranted: false });
    expect(await seen(key.secret, 'scoped', app, 'PUT')).toBe('feature_required');
    expect(await seen(clerk.aTokenIn(organization, admin.user, CLAIMS), 'org-export')).toBe('feature_required');
  });

  it.each<[string, [before: number, after: number], (member: Member) => Promise<void>]>([
    [
      'a trial, after 14 days',
      [13, 15],
      async ({ organization }) => void clerk.billing.subscribe(organization.id, 'pro', { trial: true }),
    ],
    [
      'what is canceled, after the month that is paid',
      [27, 32],
      async ({ organization }) => {
        clerk.billing.subscribe(organization.id, 'pro');
        clerk.billing.cancel(organization.id);
      },
    ],
    [
      'what is not paid, after seven days of grace',
      [6, 8],
      async ({ organization }) => {
        clerk.billing.subscribe(organization.id, 'pro');
        clerk.billing.failPayment(organization.id);
      },
    ],
    [
      'an override, when its time is over',
      [2, 4],
      async (member) => {
        const endsAt = new Date(Date.now() + 3 * DAY_MS);
        await overrides().set(await payerOf(member), { ...EXPORT, isGranted: true, endsAt });
      },
    ],
  ])('loses by the clock alone %s', async (_, [before, after], begin) => {
    const admin = await on('free_org');
    await begin(admin);
    await mirror(admin);
    await becomes(admin, 'org-export', 200);
    const began = Date.now();
    const clock = jest.spyOn(Date, 'now').mockReturnValue(began + before * DAY_MS);
    expect(await seen(admin.token(), 'org-export')).toBe(200);
    clock.mockReturnValue(began + after * DAY_MS);
    expect(await seen(admin.token(), 'org-export')).toBe('feature_required');
  });

  it('that is not paid is left for as many days of grace as are set', async () => {
    const own = await start({ ...clerk.productionEnv, BILLING_GRACE_DAYS: '2' }, app);
    const admin = await on('pro');
    clerk.billing.failPayment(admin.organization.id);
    await mirror(admin);
    await becomes(admin, 'org-export', 200);
    const began = Date.now();
    const clock = jest.spyOn(Date, 'now').mockReturnValue(began + 1.9 * DAY_MS);
    expect(await seen(admin.token(), 'org-export', own)).toBe(200);
    clock.mockReturnValue(began + 2.1 * DAY_MS);
    expect(await seen(admin.token(), 'org-export', own)).toBe('feature_required');
    expect(await seen(admin.token(), 'org-export', app)).toBe(200);
  });

  it('is told to whoever asks in code, with why', async () => {
    const admin = await on('pro');
    await mirror(admin);
    const { body } = await app.as(admin.token(), '/asks/payer');
    const granted = { feature: 'export', granted: true, reason: 'plan' };
    expect(body).toEqual({ payer: admin.organization.id, plan: 'pro', export: granted });
  });

  it('is told from memory: no statement, no call', async () => {
    const admin = await on('pro');
    await mirror(admin);
    const connection = app.orm.em.getConnection();
    const statements = jest.spyOn(connection as unknown as { executeQuery(): unknown }, 'executeQuery');
    const costOf = async (path: string) => {
      statements.mockClear();
      const before = clerk.calls.length;
      const answers = await Promise.all(Array.from({ length: 20 }, () => seen(admin.token(), path)));
      expect(answers).toEqual(Array(20).fill(200));
      return statements.mock.calls.length + clerk.calls.length - before;
    };
    // what was committed is forgotten once more when the change log tells of it, and others work in the background
    await until(
      () => costOf('org-export'),
      (cost) => cost === 0,
    );
    // it does count: a route that asks the database is seen
    expect(await costOf('../v1/billing/usage')).toBeGreaterThanOrEqual(20);
  });
});
