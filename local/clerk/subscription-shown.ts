import { derivedId } from './ids.ts';
import { priceOf } from './order.ts';
import { money, type Plan } from './plan.ts';
import type { Subscription } from './subscription.ts';
import type { ItemRow } from './subscription-item.ts';

/** The one in force, then the one to come. */
export function itemsOf({ current, upcoming }: Subscription): ItemRow[] {
  return upcoming ? [current, upcoming] : [current];
}

/** In the shape of Clerk's Backend API (2026-05-12). */
export function shownSubscription(subscription: Subscription, instanceId: string) {
  const { id, status, active_at, past_due_at, created_at, updated_at, payerId, isNew } = subscription;
  const items = itemsOf(subscription);
  const next = items.map(nextPayment).find((payment) => payment !== null);
  return {
    object: 'commerce_subscription',
    id,
    instance_id: instanceId,
    status,
    payer_id: derivedId('cpayer', payerId),
    active_at,
    past_due_at,
    created_at,
    updated_at,
    subscription_items: items.map((item) => shownItem(item, payerId, instanceId)),
    ...(next && { next_payment: next }),
    eligible_for_free_trial: isNew,
  };
}

export type ShownSubscription = ReturnType<typeof shownSubscription>;
export type ShownItem = ReturnType<typeof shownItem>;

export function shownItem(item: ItemRow, payerId: string, instanceId: string) {
  const { lifetime_paid: paid, seats, plan, ...facts } = item;
  return {
    object: 'commerce_subscription_item',
    ...facts,
    instance_id: instanceId,
    payer_id: derivedId('cpayer', payerId),
    plan_id: plan.id,
    plan,
    lifetime_paid: money(paid),
    next_payment: nextPayment(item),
    ...(seats !== null && { seats: { quantity: seats } }),
  };
}

/** In the older shape that the extension of a trial answers with. */
export function olderItem(item: ItemRow, payerId: string, instanceId: string) {
  const { seats: _, ...shown } = shownItem(item, payerId, instanceId);
  return {
    ...shown,
    plan: olderPlan(item.plan),
    amount: money(priceOf(item)),
    payment_source_id: derivedId('cps', payerId),
    proration_date: '',
  };
}

function nextPayment(item: ItemRow) {
  const date = item.status === 'upcoming' ? item.period_start : item.period_end;
  return item.status === 'canceled' || item.plan.is_default || date === null
    ? null
    : { date, amount: money(priceOf(item)) };
}

function olderPlan(plan: Plan) {
  const [annual, annualMonthly] = [plan.annual_fee ?? money(0), plan.annual_monthly_fee ?? money(0)];
  return {
    ...plan,
    amount: plan.fee.amount,
    amount_formatted: plan.fee.amount_formatted,
    annual_amount: annual.amount,
    annual_amount_formatted: annual.amount_formatted,
    annual_monthly_amount: annualMonthly.amount,
    annual_monthly_amount_formatted: annualMonthly.amount_formatted,
    currency: plan.fee.currency,
    currency_symbol: plan.fee.currency_symbol,
    payer_type: [plan.for_payer_type],
    avatar_url: '',
    features: plan.features.map((feature) => ({ ...feature, avatar_url: '' })),
  };
}
