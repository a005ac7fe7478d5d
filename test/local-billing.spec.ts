import { describe, expect, it } from '@jest/globals';
import { SEEDED_AT, SEEDED_ORGANIZATIONS, SEEDED_USERS } from '../local/clerk/people.ts';
import { knownPlan } from '../local/clerk/plans.ts';
import { ROLES, type RoleKey } from '../local/clerk/roles.ts';
import { claimsOf as activeClaims } from '../local/clerk/session-token.ts';
import { signToken } from '../local/clerk/signing-key.ts';
import type { ShownSubscription } from '../local/clerk/subscription-shown.ts';
import { TestClerk } from './support/clerk.ts';
import { aClerk, claimsOf, permissionsIn, permissionsOf } from './support/local-clerk.ts';

const [ADA] = SEEDED_USERS.map(({ id }) => id) as [string];
const [ACME] = SEEDED_ORGANIZATIONS.map(({ id }) => id) as [string];
const DAY_MS = 86_400_000;
const PATIENCE_MS = 30_000;

type Clerk = Awaited<ReturnType<typeof aClerk>>;
type Told = [type: string, data: Record<string, unknown>][];

/** What was told since then, in its order; nothing more is on its way. */
async function told({ clerk, receiver }: Clerk, since = 0): Promise<Told> {
  await receiver.has(clerk.events.list().length);
  return receiver.events.slice(since).map(({ type, data }) => [type, data]);
}

/** What that change tells. */
async function tellingOf(own: Clerk, change: () => unknown): Promise<Told> {
  const before = own.clerk.events.list().length;
  change();
  return told(own, before);
}

const typesOf = (events: Told) => events.map(([type]) => type);

/** Each item of Acme as `plan status`. */
const itemsOf = ({ clerk }: Clerk, payerId = ACME) =>
  clerk.billing.get(payerId).subscription_items.map(({ plan, status }) => `${plan.slug} ${status}`);

const current = ({ clerk }: Clerk, payerId = ACME) =>
  clerk.billing.get(payerId).subscription_items.find(({ status }) => status !== 'upcoming');

/** Plan and features in a token of Ada with Acme active. */
function claimed({ clerk }: Clerk): string[] {
  const { pla, fea } = claimsOf(clerk.mint(ADA, ACME));
  return [pla, fea];
}

const ROLE_KEYS = Object.keys(ROLES) as RoleKey[];
/** What the roles have permissions of, whatever modules there are: a token with an organization claims it first. */
const OF_ROLES = ROLE_KEYS.flatMap((role) => [...permissionsOf(role)].map((key) => String(key.split(':')[1])));

/** A plan and its features, as a token claims them. */
function claiming(scope: 'o' | 'u', plan: string): string[] {
  const own = knownPlan(plan).features.map(({ slug }) => slug);
  const features = new Set(scope === 'o' ? [...OF_ROLES, ...own] : own);
  return [plan, [...features].join()].map((list) => list.replace(/[^,]+/g, `${scope}:$&`));
}

const [FREE, PRO, BUSINESS] = ['free_org', 'pro', 'business'].map((plan) => claiming('o', plan));
const PAID = ['paymentAttempt.created', 'paymentAttempt.updated'];

/** A local Clerk whose Acme is where these steps lead. */
async function aClerkAfter(...steps: ((clerk: Clerk['clerk']) => unknown)[]): Promise<Clerk> {
  const own = await aClerk();
  for (const step of steps) step(own.clerk);
  return own;
}

const onPro = ({ billing }: Clerk['clerk']) => billing.subscribe(ACME, 'pro');
const onBusiness = ({ billing }: Clerk['clerk']) => billing.subscribe(ACME, 'business');
const onTrial = ({ billing }: Clerk['clerk']) => billing.subscribe(ACME, 'pro', { trial: true });
const canceled = ({ billing }: Clerk['clerk']) => billing.cancel(ACME);
const failed = ({ billing }: Clerk['clerk']) => billing.failPayment(ACME);

describe('a subscription of the local Clerk', () => {
  it('is there from the beginning of its payer, of which nobody is told', async () => {
    const own = await aClerk();
    for (const [id, slug] of [
      [ADA, 'free_user'],
      [ACME, 'free_org'],
    ] as const)
      expect(own.clerk.billing.get(id)).toMatchObject({
        object: 'commerce_subscription',
        id: expect.stringMatching(/^csub_\w{27}$/),
        instance_id: own.clerk.instanceId,
        payer_id: expect.stringMatching(/^cpayer_\w{27}$/),
        status: 'active',
        created_at: SEEDED_AT,
        updated_at: SEEDED_AT,
        active_at: SEEDED_AT,
        past_due_at: null,
        eligible_for_free_trial: true,
        subscription_items: [
          {
            id: expect.stringMatching(/^subi_\w{27}$/),
            status: 'active',
            plan: { slug, is_default: true },
            period_start: SEEDED_AT,
            period_end: null,
            next_payment: null,
          },
        ],
      });
    expect(own.clerk.billing.get(ACME)).toEqual(own.clerk.billing.get('acme'));
    expect(own.clerk.events.list()).toEqual([]);
  });

  it('keeps its id, and its default item, over a restart', async () => {
    const [before, after] = await Promise.all([aClerk(), aClerk()]);
    const idsOf = ({ id, payer_id, subscription_items: [item] }: ShownSubscription) => [id, payer_id, item?.id];
    expect(idsOf(after.clerk.billing.get(ACME))).toEqual(idsOf(before.clerk.billing.get(ACME)));
    expect(idsOf(after.clerk.billing.get(ADA))).not.toEqual(idsOf(after.clerk.billing.get(ACME)));
  });

  it('is lost with its payer', async () => {
    const own = await aClerkAfter(onPro, ({ billing }) => billing.subscribe(ADA, 'plus'));
    const [items, { organizations, directory, billing }] = [own.clerk.billing.get(ACME).subscription_items, own.clerk];
    organizations.delete(ACME);
    directory.deleteUser(ADA);
    for (const id of [ACME, ADA]) expect(() => billing.get(id)).toThrow(/found/);
    expect(() => billing.cancelItem(String(items[0]?.id))).toThrow('No subscription item was found');
    organizations.create({ id: ACME, name: 'Acme' });
    expect(itemsOf(own)).toEqual(['free_org active']);
  });

  it('has a later time after each change, however fast, and so has its item', async () => {
    const { clerk } = await aClerkAfter(onPro);
    clerk.events.url = undefined;
    const changes = Array.from({ length: 100 }, () => clerk.billing.renew(ACME));
    for (const times of [
      changes.map(({ updated_at: at }) => at),
      changes.map(({ subscription_items: [item] }) => Number(item?.updated_at)),
    ])
      expect(times).toEqual([...new Set(times)].toSorted((a, b) => a - b));
  });
});

describe('what the local Clerk tells, and what a token then says', () => {
  it('of a subscription', async () => {
    const own = await aClerk();
    expect(claimed(own)).toEqual(FREE);
    const events = await tellingOf(own, () => onPro(own.clerk));
    expect(typesOf(events)).toEqual([
      ...PAID,
      'subscriptionItem.active',
      'subscriptionItem.ended',
      'subscription.updated',
    ]);
    expect(itemsOf(own)).toEqual(['pro active']);
    expect(claimed(own)).toEqual(PRO);
    const { period_start: start, period_end: end, lifetime_paid: paid } = current(own) ?? {};
    expect(Number(end) - Number(start)).toBeGreaterThanOrEqual(28 * DAY_MS);
    expect(paid).toMatchObject({ amount: 2000, amount_formatted: '$20.00', currency: 'USD' });
    expect(own.clerk.billing.get(ACME)).toMatchObject({
      eligible_for_free_trial: false,
      next_payment: { date: end, amount: { amount: 2000 } },
    });
  });

  it('of a subscription by the year, and of seats', async () => {
    const own = await aClerk();
    own.clerk.billing.subscribe(ACME, 'pro', { period: 'annual' });
    expect(current(own)).toMatchObject({ plan_period: 'annual', lifetime_paid: { amount: 19_200 } });
    expect(current(own)).not.toHaveProperty('seats');
    own.clerk.billing.subscribe(ACME, 'business', { seats: 7 });
    expect(current(own)?.seats).toEqual({ quantity: 7 });
    const events = await tellingOf(own, () => own.clerk.billing.subscribe(ACME, 'business', { seats: 9 }));
    expect(events[2]).toMatchObject(['subscriptionItem.active', { seats: { quantity: 9 } }]);
    own.clerk.billing.cancel(ACME, { endNow: true });
    onBusiness(own.clerk);
    expect(current(own)?.seats).toEqual({ quantity: 50 });
  });

  it('of an upgrade', async () => {
    const own = await aClerkAfter(onPro);
    const events = await tellingOf(own, () => onBusiness(own.clerk));
    expect(events).toMatchObject([
      ['paymentAttempt.created', { status: 'pending', charge_type: 'checkout' }],
      ['paymentAttempt.updated', { status: 'paid', totals: { grand_total: { amount: 5000 } } }],
      ['subscriptionItem.active', { plan: { slug: 'business' } }],
      ['subscriptionItem.ended', { plan: { slug: 'pro' }, status: 'ended' }],
      ['subscription.updated', { items: [{ plan: { slug: 'business' } }] }],
    ]);
    expect(claimed(own)).toEqual(BUSINESS);
  });

  it('of a downgrade, which comes with the end of the period', async () => {
    const own = await aClerkAfter(onBusiness);
    const events = await tellingOf(own, () => onPro(own.clerk));
    expect(typesOf(events)).toEqual(['subscriptionItem.canceled', 'subscriptionItem.upcoming', 'subscription.updated']);
    expect(itemsOf(own)).toEqual(['business canceled', 'pro upcoming']);
    const [old, next] = own.clerk.billing.get(ACME).subscription_items;
    expect(next?.period_start).toBe(old?.period_end);
    expect(claimed(own)).toEqual(BUSINESS);
    const renewal = await tellingOf(own, () => own.clerk.billing.renew(ACME));
    expect(typesOf(renewal)).toEqual([...PAID, 'subscriptionItem.ended', 'subscriptionItem.active']);
    expect(itemsOf(own)).toEqual(['pro active']);
    expect(claimed(own)).toEqual(PRO);
  });

  it('of a cancellation, which takes nothing before the end of the period', async () => {
    const own = await aClerkAfter(onPro);
    const events = await tellingOf(own, () => canceled(own.clerk));
    expect(events).toMatchObject([
      ['subscriptionItem.canceled', { status: 'canceled', plan: { slug: 'pro' } }],
      ['subscriptionItem.upcoming', { status: 'upcoming', plan: { slug: 'free_org' }, period_end: null }],
    ]);
    expect(events).toHaveLength(2);
    expect(claimed(own)).toEqual(PRO);
    const renewal = await tellingOf(own, () => own.clerk.billing.renew(ACME));
    expect(typesOf(renewal)).toEqual(['subscriptionItem.ended', 'subscriptionItem.active']);
    expect(claimed(own)).toEqual(FREE);
  });

  it('of a cancellation at once', async () => {
    const own = await aClerkAfter(onPro);
    const events = await tellingOf(own, () => own.clerk.billing.cancel(ACME, { endNow: true }));
    expect(typesOf(events)).toEqual(['subscriptionItem.ended', 'subscriptionItem.active']);
    expect(claimed(own)).toEqual(FREE);
  });

  it.each([
    ['a cancellation', canceled],
    ['a downgrade', onPro],
  ])('of %s that is taken back', async (_, step) => {
    const own = await aClerkAfter(onBusiness, step);
    const events = await tellingOf(own, () => onBusiness(own.clerk));
    expect(typesOf(events)).toEqual(['subscriptionItem.active', 'subscriptionItem.abandoned', 'subscription.updated']);
    expect(itemsOf(own)).toEqual(['business active']);
    canceled(own.clerk);
    expect(itemsOf(own)).toEqual(['business canceled', 'free_org upcoming']);
  });

  it('of a cancellation after a downgrade', async () => {
    const own = await aClerkAfter(onBusiness, onPro);
    const events = await tellingOf(own, () => canceled(own.clerk));
    expect(typesOf(events)).toEqual(['subscriptionItem.abandoned', 'subscriptionItem.upcoming']);
    expect(itemsOf(own)).toEqual(['business canceled', 'free_org upcoming']);
    const atOnce = await tellingOf(own, () => own.clerk.billing.cancel(ACME, { endNow: true }));
    expect(typesOf(atOnce)).toEqual(['subscriptionItem.ended', 'subscriptionItem.active']);
  });

  it('of a cancellation of what a downgrade would have led to', async () => {
    const own = await aClerkAfter(onBusiness, onPro);
    const next = own.clerk.billing.get(ACME).subscription_items.find(({ status }) => status === 'upcoming');
    own.clerk.billing.cancelItem(String(next?.id), { endNow: true });
    expect(itemsOf(own)).toEqual(['business canceled', 'free_org upcoming']);
  });

  it('of a renewal', async () => {
    const own = await aClerkAfter(onPro);
    const before = current(own);
    const events = await tellingOf(own, () => own.clerk.billing.renew(ACME));
    expect(typesOf(events)).toEqual([...PAID, 'subscriptionItem.updated']);
    expect(events[0]?.[1]).toMatchObject({ charge_type: 'recurring' });
    expect(current(own)).toMatchObject({ id: before?.id, status: 'active', lifetime_paid: { amount: 4000 } });
    expect(current(own)?.period_start).toBe(before?.period_end);
    expect(Number(current(own)?.period_end)).toBeGreaterThan(Number(before?.period_end));
  });

  it('of a renewal that is not paid, and paid at last', async () => {
    const own = await aClerkAfter(onPro);
    const events = await tellingOf(own, () => failed(own.clerk));
    expect(events).toMatchObject([
      ['paymentAttempt.created', { status: 'pending', failed_at: null, failed_reason: null }],
      ['paymentAttempt.updated', { status: 'failed', paid_at: null, failed_reason: { code: 'card_declined' } }],
      ['subscriptionItem.pastDue', { status: 'past_due' }],
      ['subscription.pastDue', { status: 'past_due', past_due_at: expect.any(Number) }],
    ]);
    expect(own.clerk.billing.get(ACME)).toMatchObject({ status: 'past_due', past_due_at: expect.any(Number) });
    expect(current(own)).toMatchObject({ past_due_at: expect.any(Number), lifetime_paid: { amount: 2000 } });
    expect(claimed(own)).toEqual(PRO);
    expect(typesOf(await tellingOf(own, () => failed(own.clerk)))).toEqual(PAID);
    const paid = await tellingOf(own, () => own.clerk.billing.renew(ACME));
    expect(typesOf(paid)).toEqual([...PAID, 'subscriptionItem.active', 'subscription.active']);
    expect(own.clerk.billing.get(ACME)).toMatchObject({ status: 'active', past_due_at: null });
    expect(current(own)).toMatchObject({ past_due_at: null, lifetime_paid: { amount: 4000 } });
  });

  const switched = [...PAID, 'subscriptionItem.active', 'subscriptionItem.ended', 'subscription.updated'];

  it.each<[string, (clerk: Clerk['clerk']) => unknown, string[]]>([
    ['canceled', canceled, ['subscriptionItem.ended', 'subscriptionItem.active', 'subscription.active']],
    ['left for a cheaper plan', onPro, [...switched, 'subscription.active']],
    [
      'left for more of it',
      ({ billing }) => billing.subscribe(ACME, 'business', { seats: 9 }),
      [...switched, 'subscription.active'],
    ],
  ])('of one past due that is %s: it ends at once', async (_, step, types) => {
    const own = await aClerkAfter(onBusiness, failed);
    expect(typesOf(await tellingOf(own, () => step(own.clerk)))).toEqual(types);
    expect(own.clerk.billing.get(ACME)).toMatchObject({ status: 'active', past_due_at: null });
  });

  it('of a trial that is paid in the end', async () => {
    const own = await aClerk();
    const events = await tellingOf(own, () => onTrial(own.clerk));
    expect(events).toMatchObject([
      ['subscriptionItem.active', { is_free_trial: true, plan: { slug: 'pro' } }],
      ['subscriptionItem.ended', { is_free_trial: false, plan: { slug: 'free_org' } }],
      ['subscription.updated', { status: 'active', latest_payment_id: null }],
    ]);
    expect(events).toHaveLength(3);
    expect(Math.abs(Number(current(own)?.period_end) - Date.now() - 14 * DAY_MS)).toBeLessThan(PATIENCE_MS);
    expect(claimed(own)).toEqual(PRO);
    const paid = await tellingOf(own, () => own.clerk.billing.endTrial(ACME, { pays: true }));
    expect(typesOf(paid)).toEqual(['subscriptionItem.freeTrialEnding', ...PAID, 'subscriptionItem.active']);
    expect(paid[0]?.[1]).toMatchObject({ is_free_trial: true, status: 'active' });
    expect(current(own)).toMatchObject({ is_free_trial: false, status: 'active', lifetime_paid: { amount: 2000 } });
  });

  it('of a trial that nobody pays for', async () => {
    const own = await aClerkAfter(onTrial);
    const events = await tellingOf(own, () => own.clerk.billing.endTrial(ACME, { pays: false }));
    expect(typesOf(events)).toEqual([
      'subscriptionItem.freeTrialEnding',
      'subscriptionItem.ended',
      'subscriptionItem.active',
    ]);
    expect(claimed(own)).toEqual(FREE);
    expect(() => onTrial(own.clerk)).toThrow('Only who has neither paid nor tried');
  });

  it('of a trial that is canceled: it goes on to its end', async () => {
    const own = await aClerkAfter(onTrial);
    const events = await tellingOf(own, () => canceled(own.clerk));
    expect(typesOf(events)).toEqual(['subscriptionItem.canceled', 'subscriptionItem.upcoming']);
    expect(claimed(own)).toEqual(PRO);
    own.clerk.billing.renew(ACME);
    expect(claimed(own)).toEqual(FREE);
  });

  it('of a trial that is extended, once', async () => {
    const own = await aClerkAfter(onTrial);
    const { id = '', period_end: end } = current(own) ?? {};
    const later = Number(end) + DAY_MS;
    const events = await tellingOf(own, () => own.clerk.billing.extendTrial(id, later));
    expect(events).toMatchObject([['subscriptionItem.updated', { id, is_free_trial: true, period_end: later }]]);
    expect(await tellingOf(own, () => own.clerk.billing.extendTrial(id, later))).toEqual([]);
  });
});

describe('a token of the local Clerk', () => {
  it('has the plan and the features of the organization that is active, or else of the user', async () => {
    const own = await aClerk();
    const ofUser = () => {
      const { pla, fea } = claimsOf(own.clerk.mint(ADA));
      return [pla, fea];
    };
    expect(ofUser()).toEqual(claiming('u', 'free_user'));
    own.clerk.billing.subscribe(ADA, 'plus');
    expect(ofUser()).toEqual(claiming('u', 'plus'));
    expect(claimed(own)).toEqual(FREE);
  });

  it('keeps its permissions whatever the plan', async () => {
    const own = await aClerkAfter(onBusiness);
    expect(permissionsIn(own.clerk.mint(ADA, ACME))).toEqual(permissionsOf('org:admin'));
    const membership = own.clerk.organizations.memberships.get(ACME, ADA);
    const token = signToken(own.clerk.options.key, { v: 2, ...activeClaims(membership, knownPlan('plus')) });
    expect(permissionsIn(token)).toEqual(permissionsOf('org:admin'));
  });

  it('has lost what was canceled once its period is over, even before it is renewed', async () => {
    const own = await aClerkAfter(onTrial, ({ billing }) => {
      const [item] = billing.get(ACME).subscription_items;
      billing.extendTrial(String(item?.id), Date.now() + 300);
    });
    canceled(own.clerk);
    expect(claimed(own)).toEqual(PRO);
    await new Promise((resolve) => setTimeout(resolve, 400));
    expect(claimed(own)).toEqual(FREE);
  });

  it('is minted by the Clerk of the tests with the plan as it is now', async () => {
    const clerk = await TestClerk.start();
    const [ours, ada] = [clerk.anOrganization(), clerk.aUser()];
    clerk.aMembership(ours, ada);
    const planIn = () => claimsOf(clerk.aTokenIn(ours, ada)).pla;
    expect(planIn()).toBe('o:free_org');
    clerk.billing.subscribe(ours.id, 'pro');
    expect(planIn()).toBe('o:pro');
    clerk.billing.cancel(ours.id, { endNow: true });
    expect(planIn()).toBe('o:free_org');
  });
});
