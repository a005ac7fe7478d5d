import { derivedId } from './ids.ts';
import { priceOf } from './order.ts';
import type { Payer } from './payer.ts';
import type { Payment } from './payment.ts';
import { money } from './plan.ts';
import type { News, Subscription } from './subscription.ts';
import type { ItemRow } from './subscription-item.ts';
import { itemsOf } from './subscription-shown.ts';

type Event = [type: string, data: object];

const GATEWAY = { gateway: 'stripe', gateway_external_id: 'pm_local', gateway_external_account_id: 'acct_local' };
const CARD = { payment_method: 'card', status: 'active', card_type: 'visa', last4: '4242' };
const DECLINED = { code: 'card_declined', decline_code: 'generic_decline' };

/** What Clerk tells of it; its webhooks have other shapes than its Backend API. */
export function eventsOf(news: News, subscription: Subscription, payer: Payer, instanceId: string): Event[] {
  const [what, of] = news;
  if (what === 'charged') return paymentEvents(of, subscription, payer, instanceId);
  if (what === 'rearranged') return [['subscription.updated', subscriptionData(of, payer)]];
  return [[`subscriptionItem.${what}`, itemData(of, subscription, payer)]];
}

export function subscriptionData(subscription: Subscription, payer: Payer): object {
  const { id, status, active_at, past_due_at, created_at, updated_at, latest_payment_id } = subscription;
  return {
    object: 'commerce_subscription',
    id,
    status,
    active_at,
    canceled_at: null,
    ended_at: null,
    past_due_at,
    created_at,
    updated_at,
    latest_payment_id,
    payer_id: payer.id,
    payer,
    payment_source_id: subscription.isNew ? null : derivedId('cps', subscription.payerId),
    items: itemsOf(subscription).map((item) => ({ ...itemFacts(item), subscription_id: null })),
  };
}

/** Of an item on its own. */
export function itemData(item: ItemRow, subscription: Subscription, payer: Payer) {
  return { ...itemFacts(item), payer, subscription_id: subscription.id };
}

function itemFacts(item: ItemRow) {
  const { id, slug, name, is_recurring } = item.plan;
  return {
    object: 'commerce_subscription_item',
    id: item.id,
    status: item.status,
    is_free_trial: item.is_free_trial,
    created_at: item.created_at,
    updated_at: item.updated_at,
    period_start: item.period_start,
    period_end: item.period_end,
    interval: item.plan_period,
    plan_id: id,
    plan: { id, slug, name, is_recurring, amount: priceOf(item), currency: 'USD' },
    ...(item.seats !== null && { seats: { quantity: item.seats } }),
  };
}

/** First pending, then paid or failed. */
function paymentEvents(payment: Payment, subscription: Subscription, payer: Payer, instanceId: string): Event[] {
  const { item, failed, ...facts } = payment;
  const pending = {
    ...facts,
    instance_id: instanceId,
    status: 'pending',
    updated_at: facts.created_at,
    paid_at: null,
    failed_at: null,
    failed_reason: null,
    billing_date: facts.created_at,
    payee: { id: 'cpayee_local', gateway_type: 'stripe', gateway_external_id: 'acct_local', gateway_status: 'active' },
    payer,
    totals: { subtotal: money(priceOf(item)), tax_total: money(0), grand_total: money(priceOf(item)) },
    payment_source: { id: derivedId('cps', subscription.payerId), ...GATEWAY, ...CARD },
    subscription_items: [itemData(item, subscription, payer)],
  };
  const at = Math.max(Date.now(), facts.created_at + 1);
  const outcome = failed
    ? { status: 'failed', failed_at: at, failed_reason: DECLINED }
    : { status: 'paid', paid_at: at };
  return [
    ['paymentAttempt.created', pending],
    ['paymentAttempt.updated', { ...pending, ...outcome, updated_at: at }],
  ];
}
