import { beforeAll, describe, expect, it } from '@jest/globals';
import { SEEDED_ORGANIZATIONS, SEEDED_USERS } from '../local/clerk/people.ts';
import type { ShownSubscription } from '../local/clerk/subscription-shown.ts';
import type { Call } from './support/http.ts';
import { aClerk } from './support/local-clerk.ts';
import { complaints, payloadOf, type Schema, schemasIn, whenPublished } from './support/published.ts';

const [ADA, GRACE] = SEEDED_USERS.map(({ id }) => id) as [string, string];
const [ACME, GLOBEX] = SEEDED_ORGANIZATIONS.map(({ id }) => id) as [string, string];
const DAY_MS = 86_400_000;
const POST = (body: object): Call => ({ method: 'POST', body });

type BillingClerk = Awaited<ReturnType<typeof aBillingClerk>>;

/** A local Clerk whose Acme has a plan, Globex tries one, and Ada has one. */
async function aBillingClerk() {
  const own = await aClerk();
  const { billing } = own.clerk;
  const idOf = (shown: ShownSubscription) => String(shown.subscription_items[0]?.id);
  const ids = {
    free: idOf(billing.get(GRACE)),
    business: idOf(billing.subscribe(ACME, 'business')),
    trial: idOf(billing.subscribe(GLOBEX, 'pro', { trial: true })),
    plus: idOf(billing.subscribe(ADA, 'plus')),
  };
  const before = own.clerk.events.list().length;
  await own.receiver.has(before);
  return { ...own, ids, before, trialEnd: Number(billing.get(GLOBEX).subscription_items[0]?.period_end) };
}

/** What was told after what led here; nothing more is on its way. */
async function toldSince({ clerk, receiver, before }: BillingClerk): Promise<[type: string, data: object][]> {
  await receiver.has(clerk.events.list().length);
  return receiver.events.slice(before).map(({ type, data }) => [type, data]);
}

describe("Clerk's own SDK", () => {
  it('lists the plans, newest first, of one kind of payer or of both', async () => {
    const { sdk } = await aClerk();
    const slugs = async (params?: { payerType: 'org' | 'user'; limit?: number; offset?: number }) => {
      const { data, totalCount } = await sdk.billing.getPlanList(params);
      return [data.map(({ slug }) => slug), totalCount];
    };
    expect(await slugs()).toEqual([['business', 'pro', 'free_org', 'plus', 'free_user'], 5]);
    expect(await slugs({ payerType: 'user' })).toEqual([['plus', 'free_user'], 2]);
    expect(await slugs({ payerType: 'org', limit: 1, offset: 1 })).toEqual([['pro'], 3]);
    const [, pro] = (await sdk.billing.getPlanList({ payerType: 'org' })).data;
    expect(pro).toMatchObject({
      name: 'Pro',
      slug: 'pro',
      isDefault: false,
      forPayerType: 'org',
      freeTrialEnabled: true,
      freeTrialDays: 14,
      fee: { amount: 2000, amountFormatted: '$20.00', currency: 'USD', currencySymbol: '$' },
      annualFee: { amount: 19_200 },
      annualMonthlyFee: { amount: 1600 },
    });
    expect(pro?.features.map(({ slug }) => slug)).toEqual(expect.arrayContaining(['projects', 'export']));
  });

  it('reads the subscription of a user and of an organization', async () => {
    const { sdk, clerk } = await aBillingClerk();
    expect(await sdk.billing.getUserBillingSubscription(ADA)).toMatchObject({
      id: clerk.billing.get(ADA).id,
      status: 'active',
      pastDueAt: null,
      eligibleForFreeTrial: false,
      nextPayment: { amount: { amount: 800 } },
      subscriptionItems: [{ plan: { slug: 'plus' }, planPeriod: 'month', isFreeTrial: false }],
    });
    const { subscriptionItems } = await sdk.billing.getOrganizationBillingSubscription(ACME);
    expect(subscriptionItems).toMatchObject([{ plan: { slug: 'business' }, seats: { quantity: 50 } }]);
    const unknown = { status: 404, errors: [{ code: 'resource_not_found' }] };
    await expect(sdk.billing.getUserBillingSubscription('user_x')).rejects.toMatchObject(unknown);
    await expect(sdk.billing.getOrganizationBillingSubscription('org_x')).rejects.toMatchObject(unknown);
  });

  it('cancels an item at the end of its period, or now', async () => {
    const own = await aBillingClerk();
    const { sdk, clerk, ids } = own;
    const canceled = await sdk.billing.cancelSubscriptionItem(ids.business);
    expect(canceled).toMatchObject({ id: ids.business, status: 'canceled', canceledAt: expect.any(Number) });
    const ended = await sdk.billing.cancelSubscriptionItem(ids.plus, { endNow: true });
    expect(ended).toMatchObject({ id: ids.plus, status: 'ended', endedAt: expect.any(Number) });
    expect((await toldSince(own)).map(([type]) => type)).toEqual([
      'subscriptionItem.canceled',
      'subscriptionItem.upcoming',
      'subscriptionItem.ended',
      'subscriptionItem.active',
    ]);
    expect([clerk.billing.planOf(ACME).slug, clerk.billing.planOf(ADA).slug]).toEqual(['business', 'free_user']);
  });

  it('extends a trial', async () => {
    const { sdk, ids, trialEnd } = await aBillingClerk();
    const extendTo = new Date(trialEnd + 365 * DAY_MS);
    const extended = await sdk.billing.extendSubscriptionItemFreeTrial(ids.trial, { extendTo });
    expect(extended).toMatchObject({ id: ids.trial, isFreeTrial: true, periodEnd: extendTo.getTime() });
    const { subscriptionItems } = await sdk.billing.getOrganizationBillingSubscription(GLOBEX);
    expect(subscriptionItems[0]?.periodEnd).toBe(extendTo.getTime());
  });
});

describe('the local Clerk refuses', () => {
  const invalid = 'form_param_value_invalid';
  const impossible = 'subscription_change_invalid';
  const paying = (payer: string, name: string) => `/local/${payer}/billing/${name}`;
  const [acme, globex] = [`organizations/${ACME}`, `organizations/${GLOBEX}`];
  const [ada, grace] = [`users/${ADA}`, `users/${GRACE}`];

  it.each<[path: string, body: object, status: number, code: string, parameter?: string]>([
    [paying(acme, 'subscribe'), {}, 422, 'form_param_missing', 'plan'],
    [paying(acme, 'subscribe'), { plan: 'gold' }, 404, 'resource_not_found', 'plan'],
    [paying(acme, 'subscribe'), { plan: 'plus' }, 422, invalid, 'plan'],
    [paying(ada, 'subscribe'), { plan: 'pro' }, 422, invalid, 'plan'],
    [paying(acme, 'subscribe'), { plan: 'free_org' }, 422, invalid, 'plan'],
    [paying(acme, 'subscribe'), { plan: 'business' }, 422, impossible],
    [paying(acme, 'subscribe'), { plan: 'business', period: 'annual' }, 422, invalid, 'period'],
    [paying(acme, 'subscribe'), { plan: 'pro', period: 'week' }, 422, invalid, 'period'],
    [paying(acme, 'subscribe'), { plan: 'pro', seats: 3 }, 422, invalid, 'seats'],
    [paying(acme, 'subscribe'), { plan: 'business', seats: 0 }, 422, invalid, 'seats'],
    [paying(acme, 'subscribe'), { plan: 'pro', trial: 'yes' }, 422, 'form_param_format_invalid', 'trial'],
    [paying(acme, 'subscribe'), { plan: 'pro', trial: true }, 422, impossible],
    [paying(globex, 'subscribe'), { plan: 'pro', trial: true }, 422, impossible],
    [paying(grace, 'subscribe'), { plan: 'plus', trial: true }, 422, invalid, 'trial'],
    [paying('organizations/org_x', 'subscribe'), { plan: 'pro' }, 404, 'resource_not_found'],
    [paying(`users/${ACME}`, 'subscribe'), { plan: 'pro' }, 404, 'resource_not_found'],
    [paying(`organizations/${ADA}`, 'subscribe'), { plan: 'plus' }, 404, 'resource_not_found'],
    [paying(acme, 'cancel'), { at: 'once' }, 422, 'form_param_unknown', 'at'],
    [paying(grace, 'cancel'), {}, 422, impossible],
    [paying(grace, 'cancel'), { end_now: true }, 422, impossible],
    [paying(grace, 'renew'), {}, 422, impossible],
    [paying(globex, 'renew'), {}, 422, impossible],
    [paying(grace, 'fail-payment'), {}, 422, impossible],
    [paying(globex, 'fail-payment'), {}, 422, impossible],
    [paying(acme, 'end-trial'), { pays: true }, 422, impossible],
    [paying(globex, 'end-trial'), {}, 422, 'form_param_missing', 'pays'],
  ])('POST %s %j', async (path, body, status, code, ...[parameter]) => {
    const { asPage, clerk, before: told } = await aBillingClerk();
    const payers = [ADA, GRACE, ACME, GLOBEX];
    const before = payers.map((id) => clerk.billing.get(id));
    const answer = await asPage(path, POST(body));
    const meta = parameter === undefined ? {} : { param_name: parameter };
    expect([answer.status, answer.body.errors]).toMatchObject([status, [{ code, meta }]]);
    expect(payers.map((id) => clerk.billing.get(id))).toEqual(before);
    expect(clerk.events.list()).toHaveLength(told);
  });

  it('a second cancellation, and the charge of what was canceled', async () => {
    const { asPage } = await aBillingClerk();
    await asPage(paying(acme, 'cancel'), POST({}));
    for (const name of ['cancel', 'fail-payment'])
      expect((await asPage(paying(acme, name), POST({}))).body.errors).toMatchObject([{ code: impossible }]);
  });

  const later = (days: number) => ({ extend_to: new Date(Date.now() + days * DAY_MS).toISOString() });

  it.each<[string, 'trial' | 'business' | 'free' | 'none', object, number, string]>([
    ['more than 365 days after its end', 'trial', later(14 + 366), 422, invalid],
    ['into the past', 'trial', later(-1), 422, invalid],
    ['to no time', 'trial', {}, 422, 'form_param_missing'],
    ['to a time that is none', 'trial', { extend_to: 'soon' }, 422, 'form_param_format_invalid'],
    ['of what is no trial', 'business', later(30), 422, impossible],
    ['of the default plan', 'free', later(30), 422, impossible],
    ['of nothing', 'none', later(30), 404, 'resource_not_found'],
  ])('to extend a trial %s', async (_, item, body, status, code) => {
    const { asServer, ids } = await aBillingClerk();
    const id = item === 'none' ? 'subi_x' : ids[item];
    const answer = await asServer(`/v1/billing/subscription_items/${id}/extend_free_trial`, POST(body));
    expect([answer.status, answer.body.errors]).toMatchObject([status, [{ code }]]);
  });

  it('to cancel the default plan, what is unknown or has ended, and in words of its own', async () => {
    const { asServer, ids } = await aBillingClerk();
    const cancel = async (id: string, query = '') =>
      (await asServer(`/v1/billing/subscription_items/${id}${query}`, { method: 'DELETE' })).status;
    expect([await cancel(ids.free), await cancel('subi_x'), await cancel(ids.plus, '?end_now=yes')]).toEqual([
      422, 404, 422,
    ]);
    expect([await cancel(ids.plus, '?end_now=true'), await cancel(ids.plus)]).toEqual([200, 422]);
  });

  it.each(['payer_type=team', 'limit=0'])('to list plans by %s', async (query) => {
    const { asServer } = await aClerk();
    expect((await asServer(`/v1/billing/plans?${query}`)).status).toBe(422);
  });

  it('to subscribe anybody over the Backend API', async () => {
    const { asServer } = await aClerk();
    expect((await asServer(`/v1/${acme}/billing/subscribe`, POST({ plan: 'pro' }))).status).toBe(501);
  });
});

describe('the page of the local Clerk', () => {
  const steps: [name: string, body: object, plan: string, status: string][] = [
    ['subscribe', { plan: 'pro', trial: true }, 'pro', 'active'],
    ['end-trial', { pays: true }, 'pro', 'active'],
    ['fail-payment', {}, 'pro', 'past_due'],
    ['renew', {}, 'pro', 'active'],
    ['subscribe', { plan: 'business', seats: 3 }, 'business', 'active'],
    ['subscribe', { plan: 'pro', period: 'annual' }, 'business', 'canceled'],
    ['cancel', { end_now: true }, 'free_org', 'active'],
  ];

  it('lists plans, and subscribes, pays and cancels for who holds its secret', async () => {
    const { asPage } = await aClerk();
    const path = `/local/organizations/${ACME}/billing`;
    expect((await asPage('/local/billing/plans')).body.total_count).toBe(5);
    for (const [name, body, slug, status] of steps) {
      const answer = await asPage(`${path}/${name}`, POST(body));
      const item = { status, plan: expect.objectContaining({ slug }) };
      expect(answer.status).toBe(200);
      expect(answer.body.subscription_items).toContainEqual(expect.objectContaining(item));
      expect((await asPage(`${path}/subscription`)).body).toEqual(answer.body);
    }
  });

  it.each(['subscription', 'subscribe', 'cancel', 'renew', 'fail-payment', 'end-trial'])(
    'does nothing without it: %s',
    async (name) => {
      const { asNobody, asServer, clerk } = await aClerk();
      const before = clerk.billing.get(ACME);
      const options = name === 'subscription' ? {} : POST({ plan: 'pro' });
      for (const ask of [asNobody, asServer])
        expect(await ask(`/local/organizations/${ACME}/billing/${name}`, options)).toMatchObject({
          status: 403,
          body: { errors: [{ code: 'authorization_invalid' }] },
        });
      expect(clerk.billing.get(ACME)).toEqual(before);
    },
  );
});

describe('an event on demand', () => {
  it.each<[type: string, ids: object, data: object]>([
    ['subscriptionItem.freeTrialEnding', { organization_id: GLOBEX }, { is_free_trial: true, plan: { slug: 'pro' } }],
    ['subscriptionItem.active', { organization_id: ACME, user_id: ADA }, { payer: { organization_id: ACME } }],
    ['subscriptionItem.ended', { user_id: ADA }, { plan: { slug: 'plus' }, payer: { user_id: ADA } }],
    ['subscription.created', { user_id: GRACE }, { items: [{ plan: { slug: 'free_user' } }] }],
    ['subscription.updated', { organization_id: ACME }, { items: [{ plan: { slug: 'business' } }] }],
  ])('is %s of %j', async (type, ids, data) => {
    const own = await aBillingClerk();
    expect((await own.asPage('/local/events', POST({ type, ...ids }))).status).toBe(200);
    expect(await toldSince(own)).toMatchObject([[type, data]]);
  });

  it('is refused of who is not there', async () => {
    const { asPage } = await aClerk();
    for (const ids of [{ user_id: 'user_x' }, { organization_id: 'org_x' }])
      expect((await asPage('/local/events', POST({ type: 'subscription.updated', ...ids }))).status).toBe(404);
  });
});

whenPublished("the shapes of billing, by Clerk's OpenAPI files in the folder CLERK_OPENAPI", () => {
  let api: Record<string, Schema>;
  let webhooks: Record<string, Schema>;

  beforeAll(async () => {
    api = await schemasIn('bapi-2026-05-12.yml');
    webhooks = await schemasIn('webhooks-2025-04-15.yml');
  });

  const extension = POST({ extend_to: new Date(Date.now() + 30 * DAY_MS).toISOString() });

  it.each<[name: string, path: string, options: Call]>([
    ['PaginatedCommercePlanResponse', 'billing/plans', {}],
    ['CommerceSubscription', `users/${ADA}/billing/subscription`, {}],
    ['CommerceSubscription', `users/${GRACE}/billing/subscription`, {}],
    ['CommerceSubscription', `organizations/${ACME}/billing/subscription`, {}],
    ['CommerceSubscription', `organizations/${GLOBEX}/billing/subscription`, {}],
    ['CommerceSubscriptionItem', 'billing/subscription_items/:plus', { method: 'DELETE' }],
    ['CommerceSubscriptionItem', 'billing/subscription_items/:business?end_now=true', { method: 'DELETE' }],
    ['CommerceSubscriptionItem-2', 'billing/subscription_items/:trial/extend_free_trial', extension],
    ['ClerkErrors', 'billing/subscription_items/:free', { method: 'DELETE' }],
    ['ClerkErrors', 'users/user_x/billing/subscription', {}],
  ])('are %s at %s', async (name, path, options) => {
    const { asServer, ids } = await aBillingClerk();
    const asked = path.replace(/:(\w+)/, (_, item: keyof typeof ids) => ids[item]);
    const { body } = await asServer(`/v1/${asked}`, options);
    expect(complaints(api, { $ref: name }, body)).toEqual([]);
    expect(complaints(api, { $ref: name }, { other: 1 })).not.toEqual([]);
  });

  it('are CommerceSubscription in each state', async () => {
    const { clerk } = await aBillingClerk();
    const { billing } = clerk;
    for (const change of [
      () => billing.failPayment(ACME),
      () => billing.renew(ACME),
      () => billing.subscribe(ACME, 'pro'),
      () => billing.cancel(ACME),
    ])
      expect(complaints(api, { $ref: 'CommerceSubscription' }, change())).toEqual([]);
  });

  it('are those of the events', async () => {
    const own = await aBillingClerk();
    const { billing } = own.clerk;
    billing.subscribe(ACME, 'pro');
    billing.subscribe(ACME, 'business');
    billing.failPayment(ACME);
    billing.renew(ACME);
    billing.renew(ACME);
    billing.cancel(ACME);
    billing.cancel(ADA, { endNow: true });
    billing.endTrial(GLOBEX, { pays: true });
    await own.asPage('/local/events', POST({ type: 'subscription.created', user_id: ADA }));
    await own.asPage('/local/events', POST({ type: 'subscriptionItem.freeTrialEnding', user_id: ADA }));
    const types = new Set<string>();
    for (const [type, data] of await toldSince(own)) {
      types.add(type);
      expect([type, complaints(webhooks, payloadOf(type), data)]).toEqual([type, []]);
      expect([type, complaints(webhooks, payloadOf(type), { other: 1 })]).not.toEqual([type, []]);
    }
    expect([...types].toSorted((a, b) => (a < b ? -1 : 1))).toEqual([
      'paymentAttempt.created',
      'paymentAttempt.updated',
      'subscription.active',
      'subscription.created',
      'subscription.pastDue',
      'subscription.updated',
      'subscriptionItem.abandoned',
      'subscriptionItem.active',
      'subscriptionItem.canceled',
      'subscriptionItem.ended',
      'subscriptionItem.freeTrialEnding',
      'subscriptionItem.pastDue',
      'subscriptionItem.upcoming',
      'subscriptionItem.updated',
    ]);
  });
});
