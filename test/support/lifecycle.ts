const DAY = 86_400_000;

/** What Clerk tells of a subscription, one after the other; and how the payer stands from then on. */
export interface Chapter {
  type: string;
  data: Record<string, unknown>;
  /** Milliseconds. */
  at: number;
  /** Until the next one: the plan that counts, at days from the beginning. */
  after: { day: number; plan: string; access: boolean; status: string }[];
}

/**
 * The life of a subscription in ten events: trial, active, payment failed, past due, paid, upgraded, canceled, ended. Of an
 * organization that has a free plan at first.
 */
export function lifecycleOf(orgId: string, began: number): Chapter[] {
  const at = (day: number) => began + day * DAY;
  const payer = { object: 'commerce_payer', id: `cpayer_${orgId}`, user_id: '', organization_id: orgId };
  const item = (plan: string, status: string, [from, to]: [number, number | null], said: number, isTrial = false) => ({
    object: 'commerce_subscription_item',
    id: `subi_${plan}_${orgId}`,
    status,
    is_free_trial: isTrial,
    created_at: at(from),
    updated_at: at(said),
    period_start: at(from),
    period_end: to === null ? null : at(to),
    interval: 'month',
    plan_id: `cplan_${plan}`,
    plan: { id: `cplan_${plan}`, slug: plan, name: plan, is_recurring: true, amount: 2000, currency: 'USD' },
    payer,
    subscription_id: `csub_${orgId}`,
  });
  const subscription = (status: string, said: number, items: object[], pastDueAt: number | null = null) => ({
    object: 'commerce_subscription',
    id: `csub_${orgId}`,
    status,
    active_at: at(0),
    canceled_at: null,
    ended_at: null,
    past_due_at: pastDueAt === null ? null : at(pastDueAt),
    created_at: at(0),
    updated_at: at(said),
    payer_id: payer.id,
    payer,
    items,
  });
  const payment = (status: string, said: number) => ({
    id: `pay_${orgId}`,
    status,
    charge_type: 'recurring',
    updated_at: at(said),
    payer,
    totals: { grand_total: { amount: 2000, currency: 'USD' } },
    subscription_items: [{ id: `subi_pro_${orgId}`, subscription_id: `csub_${orgId}` }],
    ...(status === 'failed' ? { failed_at: at(said) } : { paid_at: at(said) }),
  });
  const standing = (day: number, plan: string, status: string, access = true) => ({ day, plan, access, status });
  const chapter = (type: string, day: number, data: object, after: Chapter['after']): Chapter => ({
    type,
    at: at(day),
    data: data as Record<string, unknown>,
    after,
  });
  const free = item('free_org', 'active', [0, null], 0);
  const pastDue = item('pro', 'past_due', [15, 45], 45);
  return [
    chapter('subscription.created', 0, subscription('active', 0, [free]), [standing(0.5, 'free_org', 'active')]),
    chapter('subscriptionItem.active', 1, item('pro', 'active', [1, 15], 1, true), [
      standing(1.5, 'pro', 'active'),
      standing(14.9, 'pro', 'active'),
      // the trial ends by itself
      standing(15.1, 'free_org', 'active'),
    ]),
    chapter('subscriptionItem.active', 15, item('pro', 'active', [15, 45], 15), [
      standing(15.5, 'pro', 'active'),
      standing(45.5, 'pro', 'active'),
    ]),
    chapter('paymentAttempt.updated', 45, payment('failed', 45), [standing(45.5, 'pro', 'active')]),
    chapter('subscription.pastDue', 45.01, subscription('past_due', 45.01, [free, pastDue], 45), [
      standing(45.5, 'pro', 'past_due'),
      standing(51.9, 'pro', 'past_due'),
      // seven days of grace
      standing(52.1, 'free_org', 'active'),
    ]),
    chapter('paymentAttempt.updated', 48, payment('paid', 48), [standing(48.5, 'pro', 'past_due')]),
    chapter('subscriptionItem.active', 48.01, item('pro', 'active', [45, 75], 48.01), [
      standing(49, 'pro', 'active'),
      standing(60, 'pro', 'active'),
    ]),
    chapter(
      'subscription.updated',
      50,
      subscription('active', 50, [free, item('pro', 'ended', [45, 75], 50), item('business', 'active', [50, 80], 50)]),
      [standing(50.5, 'business', 'active'), standing(90, 'business', 'active')],
    ),
    chapter('subscriptionItem.canceled', 60, item('business', 'canceled', [50, 80], 60), [
      standing(60.5, 'business', 'canceled'),
      standing(79.9, 'business', 'canceled'),
      standing(80.1, 'free_org', 'active'),
    ]),
    chapter('subscriptionItem.ended', 80, item('business', 'ended', [50, 80], 80), [
      standing(80.5, 'free_org', 'active'),
      standing(100, 'free_org', 'active'),
    ]),
  ];
}

export const dateOfDay = (began: number, day: number) => new Date(began + day * DAY);
