import { afterEach, beforeAll, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { Logger } from '@nestjs/common';
import { ENTITLEMENTS } from '../src/entitlements.ts';
import { startApp, type TestApp } from './support/app.ts';
import { TestClerk } from './support/clerk.ts';
import { ClerkProxy } from './support/clerk-proxy.ts';
import { aMember, anAdmin, type Member, meet } from './support/tenants.ts';
import { until } from './support/until.ts';

const DAY = 86_400_000;

let clerk: TestClerk;
let proxy: ClerkProxy;
let app: TestApp;

beforeAll(async () => {
  clerk = await TestClerk.start();
  proxy = await ClerkProxy.start(clerk.origin);
  app = await startApp(clerk, { ...clerk.productionEnv, CLERK_API_URL: proxy.url });
});

beforeEach(() => {
  clerk.deliverEventsTo(app.url);
  proxy.pass();
});

afterEach(() => {
  jest.restoreAllMocks();
});

type Body = Record<string, unknown>;

async function read(token: string, path: string): Promise<Body> {
  const { status, body } = await app.as(token, `/v1/billing/${path}`);
  expect([status, path]).toEqual([200, path]);
  return body;
}

const subscriptionOf = ({ token }: { token: () => string }) => read(token(), 'subscription');

/** The subscription, once the events have brought it to that. */
const becoming = (member: { token: () => string }, facts: Body) =>
  until(
    () => subscriptionOf(member),
    (body) => Object.entries(facts).every(([name, value]) => body[name] === value),
  );

const somebody = () => {
  const user = clerk.aUser();
  return { user, token: () => clerk.aToken({ sub: user.id }) };
};

const inDays = (days: number) => Date.now() + days * DAY;
const near = (time: unknown, expected: number) => Math.abs(Date.parse(String(time)) - expected) < 5 * DAY;

describe('plans', () => {
  it('are there for everybody, as Clerk has them', async () => {
    const plans = await until(
      async () => (await app.call('/v1/billing/plans')).body.data as Body[],
      (data) => data.length > 0,
    );
    expect(plans).toContainEqual({
      slug: 'pro',
      name: 'Pro',
      payer: 'tenant',
      amount: 2000,
      annualAmount: 19_200,
      currency: 'USD',
      period: 'month',
      features: expect.arrayContaining(['projects', 'export']),
      trialDays: 14,
    });
    expect(new Set(plans.map(({ slug }) => slug))).toEqual(
      new Set(['business', 'free_org', 'free_user', 'plus', 'pro']),
    );
  });
});

describe('the subscription of a tenant', () => {
  it('is asked of Clerk where no event ever told of it, once', async () => {
    const admin = anAdmin(clerk);
    const path = `/v1/organizations/${admin.organization.id}/billing/subscription`;
    const expected = { payer: 'tenant', plan: 'free_org', status: 'active', access: true, seats: 5 };
    expect(await subscriptionOf(admin)).toMatchObject(expected);
    expect(await subscriptionOf(admin)).toMatchObject(expected);
    expect(clerk.callsTo(path)).toBe(1);
  });

  it('goes through its life by events alone', async () => {
    const admin = anAdmin(clerk);
    const { id } = admin.organization;
    clerk.billing.subscribe(id, 'pro', { trial: true });
    const trial = await becoming(admin, { plan: 'pro', seats: 25 });
    expect(trial).toMatchObject({ status: 'active', access: true, period: 'month', pastDueAt: null });
    expect(near(trial.trialEndsAt, inDays(14))).toBe(true);

    clerk.billing.endTrial(id, { pays: true });
    const paid = await becoming(admin, { plan: 'pro', trialEndsAt: null });
    expect(paid).toMatchObject({ status: 'active', access: true });

    clerk.billing.failPayment(id);
    const late = await becoming(admin, { status: 'past_due' });
    expect(late).toMatchObject({ plan: 'pro', access: true, pastDueAt: expect.any(String) });
    expect(await entitlement(admin, 'export')).toMatchObject({ granted: true, reason: 'grace' });

    clerk.billing.renew(id);
    await becoming(admin, { status: 'active', pastDueAt: null });

    clerk.billing.subscribe(id, 'business', { seats: 7 });
    expect(await becoming(admin, { plan: 'business' })).toMatchObject({ access: true, seats: 7 });

    clerk.billing.cancel(id);
    const canceled = await becoming(admin, { status: 'canceled' });
    expect(canceled).toMatchObject({ plan: 'business', access: true, canceledAt: expect.any(String) });

    clerk.billing.renew(id);
    expect(await becoming(admin, { plan: 'free_org' })).toMatchObject({ status: 'active', access: true });
    expect(await entitlement(admin, 'export')).toMatchObject({ granted: false, reason: 'none' });
    const payments = await app.database.query<{ status: string }>(
      `select status from payment_attempts p join tenants t on t.id = p.owner_id where t.clerk_id = $1`,
      [id],
    );
    expect(payments.map(({ status }) => status).toSorted()).toEqual(['failed', 'paid', 'paid', 'paid']);
  });

  it('is nobody else’s', async () => {
    const ours = anAdmin(clerk);
    const theirs = anAdmin(clerk);
    clerk.billing.subscribe(ours.organization.id, 'pro');
    await becoming(ours, { plan: 'pro' });
    expect(await subscriptionOf(theirs)).toMatchObject({ plan: 'free_org' });
    expect(await subscriptionOf({ token: () => clerk.aToken({ sub: ours.user.id }) })).toMatchObject({
      payer: 'user',
      plan: 'free_user',
      seats: null,
    });
  });

  it('is 404 where Clerk has none, and 503 while Clerk is away', async () => {
    const { organization, token } = anAdmin(clerk);
    await meet(app, token());
    const path = `/v1/organizations/${organization.id}/billing`;
    proxy.refuse(path, 503);
    expect((await app.as(token(), '/v1/billing/subscription')).status).toBe(503);
    expect(proxy.count('GET', path)).toBe(2);
    proxy.refuse(path, 404);
    const { status, body } = await app.as(token(), '/v1/billing/subscription');
    expect([status, body.code]).toEqual([404, 'not_found']);
  });

  it.each(['billing_not_enabled', 'billing_disabled'])(
    'is 404 where Clerk says %s, and is not asked for again',
    async (code) => {
      const { organization, token } = anAdmin(clerk);
      await meet(app, token());
      const path = `/v1/organizations/${organization.id}/billing`;
      const warn = jest.spyOn(Logger.prototype, 'warn').mockImplementation(() => undefined);
      proxy.refuse(path, 403, code);
      const { status, headers, body } = await app.as(token(), '/v1/billing/subscription');
      expect([status, body.code, headers['retry-after']]).toEqual([404, 'not_found', undefined]);
      await app.database.query("insert into billing_rereads (clerk_id, kind, reason) values ($1, 'tenant', 'a test')", [
        organization.id,
      ]);
      await until(
        () => app.database.query<Body>('select * from billing_rereads where clerk_id = $1', [organization.id]),
        ([row]) => row?.not_before === Number.POSITIVE_INFINITY,
      );
      expect(warn).not.toHaveBeenCalled();
      warn.mockRestore();
    },
  );

  it.each<[string, number, object | string]>([
    ['our own key is refused', 401, { errors: [{ code: 'clerk_key_invalid', message: '' }] }],
    ['something else forbids it', 403, '<html>Forbidden</html>'],
  ])('is not said to be absent where %s', async (_, status, body) => {
    const { organization, token } = anAdmin(clerk);
    await meet(app, token());
    proxy.instead = ({ path }) =>
      path.startsWith(`/v1/organizations/${organization.id}/billing`) ? { status, body } : undefined;
    expect((await app.as(token(), '/v1/billing/subscription')).status).toBe(503);
  });

  it('is not said to be absent where Clerk forbids it for another reason', async () => {
    const { organization, token } = anAdmin(clerk);
    await meet(app, token());
    proxy.refuse(`/v1/organizations/${organization.id}/billing`, 403, 'authorization_invalid');
    const { status, body } = await app.as(token(), '/v1/billing/subscription');
    expect([status, body.code]).not.toEqual([404, 'not_found']);
  });
});

async function entitlement(member: { token: () => string }, feature: string): Promise<Body | undefined> {
  const { data } = await read(member.token(), 'entitlements');
  return (data as Body[]).find((each) => each.feature === feature);
}

const usageOf = async ({ token }: { token: () => string }) => (await read(token(), 'usage')).data as Body[];

/** How the meter of projects stands. */
const ofProjects = async (member: { token: () => string }): Promise<Body> =>
  (await usageOf(member)).find(({ meter }) => meter === 'projects.create') ?? {};

describe('entitlements and usage', () => {
  it('say what the plan gives, how much of it, and how much of that is used', async () => {
    const admin = anAdmin(clerk);
    const body = { name: 'One' };
    expect((await app.as(admin.token(), '/v1/projects', { method: 'POST', body })).status).toBe(201);
    const all = await read(admin.token(), 'entitlements');
    expect(all.plan).toBe('free_org');
    expect(await entitlement(admin, 'projects')).toEqual({
      feature: 'projects',
      granted: true,
      reason: 'plan',
      limit: null,
      used: null,
      left: null,
      resetsAt: null,
    });
    expect(await entitlement(admin, 'audit')).toMatchObject({ granted: false, reason: 'none' });
    expect(await entitlement(admin, 'projects.create')).toMatchObject({
      granted: true,
      limit: 1000,
      used: 1,
      left: 999,
      resetsAt: expect.any(String),
    });
    expect((await usageOf(admin)).map(({ meter }) => meter)).toEqual(Object.keys(ENTITLEMENTS.meters));
    expect(await ofProjects(admin)).toEqual({
      meter: 'projects.create',
      used: 1,
      limit: 1000,
      left: 999,
      exceeded: false,
      periodStart: expect.any(String),
      resetsAt: expect.any(String),
    });
  });

  it('go on to count when the subscription becomes known, and when it says another start', async () => {
    const admin = anAdmin(clerk);
    const usedBy = async () => (await ofProjects(admin)).used;
    await app.as(admin.token(), '/v1/projects', { method: 'POST', body: { name: 'One' } });
    expect(await usedBy()).toBe(1);
    clerk.billing.subscribe(admin.organization.id, 'pro');
    await becoming(admin, { plan: 'pro' });
    expect(await usedBy()).toBe(1);
    clerk.billing.failPayment(admin.organization.id);
    await becoming(admin, { status: 'past_due' });
    clerk.billing.renew(admin.organization.id);
    await becoming(admin, { status: 'active' });
    expect(await usedBy()).toBe(1);
  });

  it('count months from the start of the subscription, where it is known first', async () => {
    const admin = anAdmin(clerk, clerk.anOrganization({ created_at: Date.now() - 40 * DAY }));
    await subscriptionOf(admin);
    const { periodStart, resetsAt } = await ofProjects(admin);
    const day = new Date(Date.now() - 40 * DAY).getUTCDate();
    const lastDay = (time: Date) => new Date(Date.UTC(time.getUTCFullYear(), time.getUTCMonth() + 1, 0)).getUTCDate();
    for (const time of [periodStart, resetsAt].map((each) => new Date(String(each))))
      expect(time.getUTCDate()).toBe(Math.min(day, lastDay(time)));
  });

  it('count by the plan at Clerk soon, of a payer of whom no event ever told', async () => {
    clerk.events.url = undefined;
    const admin = anAdmin(clerk);
    clerk.billing.subscribe(admin.organization.id, 'pro');
    const limit = async () => (await ofProjects(admin)).limit;
    expect(await limit()).toBe(1000);
    await app.as(admin.token(), '/v1/projects', { method: 'POST', body: { name: 'One' } });
    await until(limit, (value) => value === 10_000);
  });

  it('give nothing of a meter that the plan does not name', async () => {
    expect(await entitlement(somebody(), 'projects.create')).toMatchObject({
      granted: false,
      reason: 'none',
      limit: 0,
      left: 0,
    });
  });
});

describe('a cancellation', () => {
  const cancel = (token: string, body: object = {}) =>
    app.as(token, '/v1/billing/subscription/cancellation', { method: 'PUT', body });

  async function paying(plan = 'pro'): Promise<Member> {
    const admin = anAdmin(clerk);
    clerk.billing.subscribe(admin.organization.id, plan);
    await becoming(admin, { plan });
    return admin;
  }

  it('keeps access until the period ends, and changes nothing the second time', async () => {
    const admin = await paying();
    const { status, body } = await cancel(admin.token());
    expect([status, body]).toEqual([
      200,
      expect.objectContaining({ plan: 'pro', status: 'canceled', access: true, canceledAt: expect.any(String) }),
    ]);
    expect((await cancel(admin.token())).body).toEqual(body);
    expect(clerk.billing.get(admin.organization.id).subscription_items.map(({ status: at }) => at)).toContain(
      'canceled',
    );
  });

  it('ends at once where that is asked for, also of what was canceled before', async () => {
    const admin = await paying();
    // by the answer alone, which does not name any more what is over
    clerk.events.url = undefined;
    await cancel(admin.token());
    const { status, body } = await cancel(admin.token(), { endNow: true });
    expect([status, body.plan, body.access]).toEqual([200, 'free_org', true]);
  });

  it('of a plan that a downgrade would lead to is one of what is paid next', async () => {
    const admin = await paying('business');
    clerk.billing.subscribe(admin.organization.id, 'pro');
    await becoming(admin, { status: 'canceled' });
    await until(
      () => app.database.query("select from subscription_items where status = 'upcoming' and plan = 'pro'"),
      (items) => items.length > 0,
    );
    // by the answer alone
    clerk.events.url = undefined;
    expect((await cancel(admin.token())).body).toMatchObject({ plan: 'business', status: 'canceled', access: true });
    const again = await cancel(admin.token());
    expect([again.status, again.body]).toEqual([
      200,
      expect.objectContaining({ plan: 'business', status: 'canceled' }),
    ]);
    const left = clerk.billing
      .get(admin.organization.id)
      .subscription_items.map(({ plan, status }) => [plan.slug, status]);
    expect(left).toEqual([
      ['business', 'canceled'],
      ['free_org', 'upcoming'],
    ]);
  });

  it('is for who is past due, too, and has no access any more', async () => {
    const admin = await paying();
    clerk.billing.failPayment(admin.organization.id);
    await becoming(admin, { status: 'past_due' });
    const real = Date.now;
    jest.spyOn(Date, 'now').mockImplementation(() => real() + 8 * DAY);
    const token = admin.token();
    expect((await cancel(token)).body).toMatchObject({ plan: 'free_org', status: 'active' });
  });

  it('is for admins of the tenant, who have just shown who they are', async () => {
    const { organization, user } = await paying();
    const member = aMember(clerk, organization);
    const refusals = [
      await cancel(member.token()),
      await cancel(clerk.aTokenIn(organization, user, { fva: [600, -1] })),
      await cancel(clerk.aTokenIn(organization, user, { act: { sub: 'user_other' } })),
    ];
    expect(refusals.map(({ status, body }) => [status, body.code])).toEqual([
      [403, 'role_required'],
      [403, 'reverification_required'],
      [403, 'impersonation_forbidden'],
    ]);
    expect((await subscriptionOf(member)).status).toBe('active');
  });

  it('of an own subscription is for whose it is', async () => {
    const user = somebody();
    clerk.billing.subscribe(user.user.id, 'plus');
    await becoming(user, { plan: 'plus' });
    expect((await cancel(user.token())).body).toMatchObject({ payer: 'user', plan: 'plus', status: 'canceled' });
  });

  it('is a conflict where nothing is paid for', async () => {
    const path = '/v1/billing/subscription/cancellation';
    const { status, body } = await app.as(anAdmin(clerk).token(), path, { method: 'PUT' });
    expect([status, body.code]).toEqual([409, 'conflict']);
  });

  it('is a conflict where Clerk has another subscription by now, which is then ours, too', async () => {
    clerk.events.url = undefined;
    const admin = await paying();
    clerk.billing.forget(admin.organization.id);
    const { status, body } = await cancel(admin.token());
    expect([status, body.code]).toEqual([409, 'conflict']);
    expect(await subscriptionOf(admin)).toMatchObject({ plan: 'free_org', status: 'active' });
  });

  it('is as Clerk then says it is, though what it said before is told once more meanwhile', async () => {
    const admin = anAdmin(clerk);
    const { id } = admin.organization;
    await subscriptionOf(admin);
    clerk.billing.subscribe(id, 'pro');
    await becoming(admin, { plan: 'pro' });
    clerk.events.url = undefined;
    const event = clerk.anEvent('subscription.updated', clerk.billing.eventData('subscription.updated', id));
    proxy.meddle = async ({ path }) => {
      if (path.endsWith('/billing/subscription')) await clerk.deliver(app.url, event, { id: 'msg_zzzz' });
    };
    expect((await cancel(admin.token(), { endNow: true })).body).toMatchObject({ plan: 'free_org', status: 'active' });
  });

  it('changes nothing while Clerk is away', async () => {
    const admin = await paying();
    proxy.refuse('/v1/billing/subscription_items', 503);
    expect((await cancel(admin.token())).status).toBe(503);
    expect(await subscriptionOf(admin)).toMatchObject({ status: 'active' });
  });

  it.each([{ endNow: 'yes' }, { endNow: true, more: 1 }, []])('takes no %j', async (body) => {
    expect((await cancel(anAdmin(clerk).token(), body)).status).toBe(400);
  });
});

describe('seats', () => {
  const invite = ({ token }: Member) =>
    app.as(token(), '/v1/tenant/invitations', {
      method: 'POST',
      body: { email: `a${Math.random().toString(36).slice(2)}@example.com` },
    });

  it('are no more than the plan has, however many are asked for at once', async () => {
    const admin = anAdmin(clerk);
    await subscriptionOf(admin);
    // five on the free plan: the admin has one. An event that is here before the answer would count beside the seat that is held
    clerk.events.url = undefined;
    const answers = await Promise.all(Array.from({ length: 12 }, () => invite(admin)));
    const refused = answers.filter(({ status }) => status === 402);
    expect(answers.filter(({ status }) => status === 201)).toHaveLength(4);
    expect(refused).toHaveLength(8);
    expect(refused[0]?.body).toMatchObject({ code: 'quota_exceeded', limit: 5, resetsAt: null });
    expect(refused[0]?.body.used).toBe(5);
    expect(clerk.organizations.get(admin.organization.id).pending_invitations_count).toBe(4);
  });

  it('are those of the tenant, whatever other tenants who invites is in', async () => {
    const admin = anAdmin(clerk);
    for (let others = 0; others < 5; others++)
      await meet(app, aMember(clerk, undefined, 'org:member', admin.user).token());
    await subscriptionOf(admin);
    expect((await invite(admin)).status).toBe(201);
  });

  it.each([
    ['refuses, in whatever words', 403],
    ['is too busy for', 429],
  ])('are not held for an invitation that Clerk %s', async (_, status) => {
    const admin = anAdmin(clerk);
    await subscriptionOf(admin);
    proxy.refuse(`/v1/organizations/${admin.organization.id}/invitations`, status);
    for (let place = 0; place < 6; place++) expect((await invite(admin)).body.code).not.toBe('quota_exceeded');
    proxy.pass();
    expect((await invite(admin)).status).toBe(201);
  });

  it('are held while it is not known whether an invitation is out', async () => {
    const admin = anAdmin(clerk);
    await subscriptionOf(admin);
    clerk.events.url = undefined;
    proxy.meddle = (exchange) => {
      if (exchange.method === 'POST' && exchange.path.endsWith('/invitations')) exchange.status = 502;
    };
    expect((await invite(admin)).status).toBe(503);
    proxy.pass();
    const answers = [];
    for (let place = 0; place < 4; place++) answers.push((await invite(admin)).status);
    expect(answers).toEqual([201, 201, 201, 402]);
  });

  it('come back when an invitation that Clerk refuses has held one', async () => {
    const admin = anAdmin(clerk);
    await subscriptionOf(admin);
    proxy.refuse(`/v1/organizations/${admin.organization.id}/invitations`, 422);
    expect((await invite(admin)).status).toBe(409);
    proxy.pass();
    const answers = [];
    for (let place = 0; place < 5; place++) answers.push((await invite(admin)).status);
    expect(answers).toEqual([201, 201, 201, 201, 402]);
  });
});
