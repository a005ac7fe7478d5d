import { beforeAll, describe, expect, it } from '@jest/globals';
import type { EntityManager } from '@mikro-orm/postgresql';
import { Module } from '@nestjs/common';
import { modulesOf, requestChain } from '../src/app.module.ts';
import { BillingMirror, BillingModule, Trials } from '../src/billing/index.ts';
import { readSettings } from '../src/config/index.ts';
import { transaction } from '../src/database/index.ts';
import { ENTITLEMENTS } from '../src/entitlements.ts';
import { startApp, type TestApp } from './support/app.ts';
import { TestClerk } from './support/clerk.ts';
import { StripeProvider, type StripeSubscription, stripe, wordOf } from './support/stripe.ts';
import { anAdmin, type Member, meet } from './support/tenants.ts';
import { until } from './support/until.ts';

const HOUR_S = 3600;
const DAY_S = 24 * HOUR_S;
const now = () => Math.floor(Date.now() / 1000);

let clerk: TestClerk;
let app: TestApp;
let customers = 0;

beforeAll(async () => {
  clerk = await TestClerk.start();
  stripe.products = [aProduct('pro', 2000), aProduct('business', 5000)];
  app = await startApp(clerk, clerk.productionEnv, undefined, (env) => {
    const others = modulesOf(readSettings(env)).filter((each) => !('module' in each && each.module === BillingModule));
    const billing = BillingModule.with(ENTITLEMENTS, { provider: StripeProvider, events: [] });
    @Module({ imports: [...others, billing], providers: requestChain })
    class StripeModule {}
    return StripeModule;
  });
});

const aProduct = (slug: string, unit_amount: number) => ({
  id: `prod_${slug}`,
  name: slug,
  metadata: { slug, payer: 'tenant' as const },
  default_price: { unit_amount, currency: 'eur', recurring: { interval: 'month' as const } },
  marketing_features: [{ name: 'export' }],
});

function sold(
  plan: string,
  facts: Partial<StripeSubscription> = {},
  { startedAgo = HOUR_S, endsIn = 30 * DAY_S } = {},
): StripeSubscription {
  const id = customers++;
  const item = {
    id: `si_${id}`,
    current_period_start: now() - startedAgo,
    current_period_end: now() + endsIn,
    quantity: 9,
    price: { lookup_key: plan, recurring: { interval: 'month' as const } },
  };
  return {
    id: `sub_${id}`,
    customer: `cus_${id}`,
    status: 'active',
    created: now() - startedAgo,
    cancel_at_period_end: false,
    canceled_at: null,
    ended_at: null,
    trial_end: null,
    items: { data: [item] },
    ...facts,
  };
}

const onTrial = (days = 7) =>
  sold('pro', { status: 'trialing', trial_end: now() + days * DAY_S }, { endsIn: days * DAY_S });

async function aCustomer(...subscriptions: StripeSubscription[]): Promise<Member> {
  const admin = anAdmin(clerk);
  await meet(app, admin.token());
  stripe.subscriptions.set(admin.organization.id, subscriptions);
  return admin;
}

const subscriptionOf = async (admin: Member) => (await app.as(admin.token(), '/v1/billing/subscription')).body;

const hear = (subscription: StripeSubscription, eventId: string, created = now()) =>
  transaction(app.orm.em.fork(), (em: EntityManager) =>
    app.app.get(BillingMirror, { strict: false }).hear(em, wordOf(subscription, eventId, created)),
  );

describe('a provider that is not Clerk', () => {
  it('has its plans', async () => {
    const plans = async () => (await app.call('/v1/billing/plans')).body.data as object[];
    expect(await until(plans, ({ length }) => length > 0)).toContainEqual(
      expect.objectContaining({ slug: 'pro', amount: 2000, currency: 'EUR' }),
    );
  });

  it('has subscriptions that are read, with its own statuses and times', async () => {
    const trialing = await aCustomer(onTrial());
    expect(await subscriptionOf(trialing)).toMatchObject({ plan: 'pro', status: 'active', access: true, seats: 9 });
    expect((await subscriptionOf(trialing)).trialEndsAt).not.toBeNull();
    const unpaid = await aCustomer(sold('pro', { status: 'unpaid' }));
    expect(await subscriptionOf(unpaid)).toMatchObject({ plan: 'pro', status: 'ended', access: false });
    const paused = await aCustomer(sold('pro', { status: 'paused' }));
    expect(await subscriptionOf(paused)).toMatchObject({ status: 'paused', access: false });
  });

  it('sells several things to one, of which the latest that gives access counts', async () => {
    const older = sold('business', {}, { startedAgo: 2 * DAY_S });
    const ended = sold('business', { status: 'canceled', ended_at: now() }, { startedAgo: 60 });
    const admin = await aCustomer(older, sold('pro'), ended);
    expect(await subscriptionOf(admin)).toMatchObject({ plan: 'pro', access: true });
    expect(await meet(app, admin.token())).toMatchObject({ plan: 'pro' });
  });

  it('cancels', async () => {
    const admin = await aCustomer(sold('pro'));
    const cancel = (body: object) =>
      app.as(admin.token(), '/v1/billing/subscription/cancellation', { method: 'PUT', body });
    expect((await cancel({})).body).toMatchObject({ plan: 'pro', status: 'canceled', access: true });
    expect((await cancel({ endNow: true })).body).toMatchObject({ plan: 'pro', status: 'ended', access: false });
  });

  it('extends a trial', async () => {
    const trial = onTrial();
    const admin = await aCustomer(trial);
    const { tenant } = await meet(app, admin.token());
    if (!tenant) throw new Error('There is no tenant');
    const later = Number(trial.trial_end) + 30 * DAY_S;
    const payer = { kind: 'tenant' as const, id: tenant.id, clerkId: tenant.clerkId };
    expect(await app.app.get(Trials, { strict: false }).extend(payer, 30)).toEqual(new Date(later * 1000));
    expect(trial.trial_end).toBe(later);
    const trialEndsAt = new Date(later * 1000).toISOString();
    expect(await subscriptionOf(admin)).toMatchObject({ plan: 'pro', access: true, trialEndsAt });
  });

  it('tells by events that name its customer alone', async () => {
    const subscription = sold('pro');
    const admin = await aCustomer(subscription);
    // it waits: nobody knows yet whose the customer is; when they do, it is later than what they read
    await hear({ ...subscription, cancel_at_period_end: true }, 'evt_1', now() + 60);
    expect(await subscriptionOf(admin)).toMatchObject({ plan: 'pro', status: 'canceled', access: true });
    await hear({ ...subscription, status: 'past_due' }, 'evt_2', now() + 61);
    expect(await subscriptionOf(admin)).toMatchObject({ plan: 'pro', status: 'past_due', access: true });
  });
});
