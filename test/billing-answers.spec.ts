import { afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { planOf } from '../local/clerk/plan.ts';
import { PLANS } from '../local/clerk/plans.ts';
import { Plans, Trials } from '../src/billing/index.ts';
import { startApp, type TestApp } from './support/app.ts';
import { TestClerk } from './support/clerk.ts';
import { ClerkProxy } from './support/clerk-proxy.ts';
import { anAdmin, type Member, meet } from './support/tenants.ts';
import { until } from './support/until.ts';

const DAY = 86_400_000;
const ITEMS = '/v1/billing/subscription_items';
const OFFERED = PLANS.length;

let clerk: TestClerk;
let proxy: ClerkProxy;
let app: TestApp;

beforeAll(async () => {
  clerk = await TestClerk.start();
  proxy = await ClerkProxy.start(clerk.origin);
  app = await startApp(clerk, { ...clerk.productionEnv, CLERK_API_URL: proxy.url });
  await until(plans, ({ length }) => length > 0);
});

afterEach(() => {
  PLANS.splice(OFFERED);
});

beforeEach(() => proxy.pass());

type Data = Record<string, unknown>;

const plans = () => app.database.query<Data>('select * from plans order by slug');

const subscriptionOf = async ({ token }: Member) => (await app.as(token(), '/v1/billing/subscription')).body;

/** On that plan, by Clerk's answer: no event tells of it. */
async function paying(plan: string, wishes = {}): Promise<Member> {
  const admin = anAdmin(clerk);
  clerk.billing.subscribe(admin.organization.id, plan, wishes);
  expect(await subscriptionOf(admin)).toMatchObject({ plan, access: true });
  return admin;
}

/** Changes the items of a subscription that Clerk answers. */
function changeItems(change: (item: Data) => Data): void {
  proxy.meddle = ({ body }) => {
    const answer = body as { subscription_items?: Data[] };
    if (answer.subscription_items) answer.subscription_items = answer.subscription_items.map(change);
  };
}

/** Clerk does as it is told, and its answer is lost on the way. */
function loseAnswers(method: string, path: string, also = () => undefined): void {
  proxy.meddle = (exchange) => {
    if (exchange.method !== method || !exchange.path.startsWith(path)) return;
    also();
    exchange.status = 502;
  };
}

/** Has the subscription read again, and waits until it was. */
async function readAgain({ organization: { id } }: Member): Promise<void> {
  await app.database.query("insert into billing_rereads (clerk_id, kind, reason) values ($1, 'tenant', 'a test')", [
    id,
  ]);
  await until(
    () => app.database.query('select from billing_rereads where clerk_id = $1', [id]),
    (rows) => rows.length === 0,
  );
}

describe('an answer of Clerk’s that names a plan by its id alone', () => {
  const bare = ({ plan: _, ...item }: Data) => item;

  it('is of that plan, for who is new', async () => {
    changeItems(bare);
    expect(await subscriptionOf(await paying('pro'))).toMatchObject({ plan: 'pro', seats: 25 });
  });

  it('is of one that was made since the plans were read, too', async () => {
    PLANS.push(planOf({ slug: 'team', name: 'Team', payer: 'org', fee: 9000, features: ['rockets'] }));
    changeItems(bare);
    const admin = await paying('team');
    expect(await meet(app, admin.token())).toMatchObject({ plan: 'team', features: ['rockets'] });
  });

  it('changes nothing for who is on it, not even where the id is not known', async () => {
    const admin = await paying('pro');
    for (const change of [bare, (item: Data) => ({ ...bare(item), plan_id: 'cplan_of_nobody' })]) {
      changeItems(change);
      await readAgain(admin);
      expect(await subscriptionOf(admin)).toMatchObject({ plan: 'pro', status: 'active', seats: 25 });
    }
  });
});

describe('an answer of Clerk’s without items', () => {
  it('is the whole of a subscription: of the default plan, and asked for once', async () => {
    const admin = anAdmin(clerk);
    proxy.meddle = ({ body }) => {
      const answer = body as { subscription_items?: Data[] };
      if (answer.subscription_items) answer.subscription_items = [];
    };
    const path = `/v1/organizations/${admin.organization.id}/billing`;
    for (let time = 0; time < 3; time++)
      expect(await subscriptionOf(admin)).toMatchObject({ plan: 'free_org', status: 'none', seats: 5 });
    expect((await app.as(admin.token(), '/v1/projects', { method: 'POST', body: { name: 'One' } })).status).toBe(201);
    expect(proxy.count('GET', path)).toBe(1);
    expect(
      await app.database.query('select from billing_rereads where clerk_id = $1', [admin.organization.id]),
    ).toEqual([]);
  });
});

describe('a plan that Clerk shows in another shape', () => {
  it.each<[string, (plan: Data) => Data]>([
    ['its fee as text', (plan) => ({ ...plan, fee: { amount: '2000', currency: 'USD' } })],
    ['a part of a cent', (plan) => ({ ...plan, fee: { amount: 20.5, currency: 'USD' } })],
    ['another fee', ({ fee: _, ...plan }) => ({ ...plan, cents: 2000 })],
    ['other features', (plan) => ({ ...plan, features: { projects: true } })],
    ['payers of a third kind', (plan) => ({ ...plan, for_payer_type: 'team' })],
  ])('stays as it is here: with %s', async (_, change) => {
    const before = await plans();
    expect(before.find(({ slug }) => slug === 'plus')).toMatchObject({ payer: 'user', retired_at: null });
    proxy.meddle = ({ path, body }) => {
      const list = body as { data: Data[] };
      if (path.startsWith('/v1/billing/plans'))
        list.data = list.data.map((plan) => (plan.slug === 'plus' ? change(plan) : plan));
    };
    await app.app.get(Plans, { strict: false }).mirror();
    expect(await plans()).toEqual(before);
  });
});

describe('a plan’s price', () => {
  const yearly = { amount: 24_000, currency: 'USD' };
  const francs = { amount: 30_000, currency: 'CHF' };
  const monthly = { amount: 2500, currency: 'EUR' };
  const nothing = { amount: 0, currency: 'EUR' };

  it.each<[string, Data, Data]>([
    ['sold by the year', { fee: null, annual_fee: yearly }, { ...yearly, annualAmount: 24_000, period: 'annual' }],
    ['sold so elsewhere', { fee: null, annual_fee: francs }, { ...francs, annualAmount: 30_000, period: 'annual' }],
    [
      'sold so once',
      { fee: null, annual_fee: yearly, is_recurring: false },
      { ...yearly, annualAmount: 24_000, period: null },
    ],
    ['sold both ways', { fee: monthly, annual_fee: yearly }, { ...monthly, annualAmount: 24_000, period: 'month' }],
    ['sold by the month', { fee: monthly, annual_fee: null }, { ...monthly, annualAmount: null, period: 'month' }],
    [
      'free by the month',
      { fee: nothing, annual_fee: null, is_recurring: false },
      { ...nothing, annualAmount: null, period: null },
    ],
    ['free by the year', { fee: null, annual_fee: nothing }, { ...nothing, annualAmount: 0, period: 'annual' }],
    [
      'without a fee',
      { fee: null, annual_fee: null, is_recurring: false },
      { amount: 0, currency: 'USD', annualAmount: null, period: null },
    ],
  ])('is that at which it is sold: %s', async (_, change, expected) => {
    proxy.meddle = ({ path, body }) => {
      const list = body as { data: Data[] };
      if (path.startsWith('/v1/billing/plans'))
        list.data = list.data.map((plan) => (plan.slug === 'plus' ? { ...plan, is_recurring: true, ...change } : plan));
    };
    await app.app.get(Plans, { strict: false }).mirror();
    const { data } = (await app.call('/v1/billing/plans')).body as { data: Data[] };
    proxy.pass();
    await app.app.get(Plans, { strict: false }).mirror();
    expect(data.find(({ slug }) => slug === 'plus')).toMatchObject(expected);
  });
});

describe('a cancellation', () => {
  const cancel = ({ token }: Member, body: object = {}) =>
    app.as(token(), '/v1/billing/subscription/cancellation', { method: 'PUT', body });

  it('has worked where Clerk answers something else than the item', async () => {
    const admin = await paying('pro');
    proxy.meddle = (exchange) => {
      if (exchange.method === 'DELETE') exchange.body = { object: 'commerce_subscription_item', deleted: true };
    };
    const { status, body } = await cancel(admin);
    expect([status, body.status]).toEqual([200, 'canceled']);
  });

  it.each([
    [{}, 'pro', 'canceled'],
    [{ endNow: true }, 'free_org', 'active'],
  ])('has worked where the first answer is lost and the second a refusal: %j', async (how, plan, expected) => {
    const admin = await paying('pro');
    loseAnswers('DELETE', ITEMS, () => {
      proxy.meddle = () => undefined;
      proxy.instead = ({ method }) =>
        method === 'DELETE'
          ? { status: 422, body: { errors: [{ code: 'already_canceled', message: '' }] } }
          : undefined;
      return undefined;
    });
    const before = proxy.count('DELETE', ITEMS);
    const { status, body } = await cancel(admin, how);
    expect([status, body.plan, body.status]).toEqual([200, plan, expected]);
    expect(proxy.count('DELETE', ITEMS)).toBe(before + 2);
  });

  it('has worked where all answers to it are lost', async () => {
    const admin = await paying('pro');
    loseAnswers('DELETE', ITEMS);
    const { status, body } = await cancel(admin);
    expect([status, body.plan, body.status]).toEqual([200, 'pro', 'canceled']);
  });

  it('has worked where all answers to it are lost, and ended at once what was past due', async () => {
    const admin = await paying('pro');
    clerk.billing.failPayment(admin.organization.id);
    await readAgain(admin);
    loseAnswers('DELETE', ITEMS);
    const { status, body } = await cancel(admin);
    expect([status, body.plan, body.status]).toEqual([200, 'free_org', 'active']);
  });
});

describe('the extension of a trial', () => {
  async function onTrial() {
    const admin = await paying('pro', { trial: true });
    const { tenant } = await meet(app, admin.token());
    const endsAt = async () => Date.parse((await subscriptionOf(admin)).trialEndsAt as string);
    const payer = { kind: 'tenant' as const, id: tenant?.id ?? '', clerkId: admin.organization.id };
    return { payer, endsAt, trials: app.app.get(Trials, { strict: false }) };
  }

  it('has worked where the answer alone is lost', async () => {
    const { payer, endsAt, trials } = await onTrial();
    const before = await endsAt();
    loseAnswers('POST', ITEMS);
    expect((await trials.extend(payer, 7)).getTime()).toBe(before + 7 * DAY);
    expect(await endsAt()).toBe(before + 7 * DAY);
  });

  it('has failed where Clerk did not do it', async () => {
    const { payer, endsAt, trials } = await onTrial();
    const before = await endsAt();
    proxy.refuse(ITEMS, 503);
    await expect(trials.extend(payer, 7)).rejects.toMatchObject({ code: 'unavailable' });
    expect(await endsAt()).toBe(before);
  });

  // the last one: three failures in a row, and Clerk is left alone for a while
  it('is not known where the subscription cannot be read either', async () => {
    const { payer, trials } = await onTrial();
    loseAnswers('POST', ITEMS, () => {
      proxy.refuse(`/v1/organizations/${payer.clerkId}/billing`, 503);
      return undefined;
    });
    await expect(trials.extend(payer, 7)).rejects.toMatchObject({
      code: 'unavailable',
      detail: expect.stringMatching(/^Whether the trial is extended to .* is not known: see it with show/),
    });
  });
});
