import {
  type ClerkPaymentAttempt,
  type ClerkPlan,
  type ClerkSubscription,
  type ClerkSubscriptionItem,
  inMilliseconds,
  millisecondsOf,
} from '../clerk/index.ts';
import { storableText } from '../database/index.ts';
import type { ItemFacts, PaymentFacts, PlanFacts, Said, SubscriptionFacts } from './billing-facts.ts';
import { UNLIMITED_SEATS } from './subscription-item.entity.ts';

/** Who tells, and when: what has no time of its own was so then. Milliseconds. */
export interface Telling {
  eventId: string;
  at: number;
}

const MAX_INTEGER = 2 ** 31 - 1;
/** The year 10000, which PostgreSQL and ISO 8601 write otherwise. */
const END_OF_TIME_MS = Date.UTC(10_000, 0, 1);

export function factsOfPlan(plan: ClerkPlan): PlanFacts {
  // a plan without a monthly fee may be sold by the year alone
  const fee = plan.fee ?? plan.annual_fee;
  const period = plan.fee || !plan.annual_fee ? 'month' : 'annual';
  return {
    providerId: plan.id,
    slug: textOf(plan.slug),
    name: storableText(plan.name) ?? textOf(plan.slug),
    payer: plan.for_payer_type === 'user' ? 'user' : 'tenant',
    amount: fee?.amount ?? 0,
    annualAmount: plan.annual_fee?.amount ?? null,
    currency: storableText(fee?.currency) ?? 'USD',
    period: plan.is_recurring ? period : null,
    features: (plan.features ?? []).map(({ slug }) => textOf(slug)),
    trialDays: plan.free_trial_enabled ? integerOf(plan.free_trial_days) : null,
    isPublic: plan.publicly_visible ?? false,
  };
}

export function factsOfSubscription(subscription: ClerkSubscription, telling: Telling): SubscriptionFacts {
  return {
    providerId: subscription.id,
    status: textOf(subscription.status),
    startedAt: timeOf(subscription.created_at) ?? timeOf(subscription.active_at),
    pastDueAt: timeOf(subscription.past_due_at),
    ...saidOf(subscription.updated_at, telling),
  };
}

export function itemsOf({ items, subscription_items: others }: ClerkSubscription): ClerkSubscriptionItem[] {
  return items ?? others ?? [];
}

export function factsOfItem(item: ClerkSubscriptionItem, telling: Telling, subscriptionId?: string): ItemFacts {
  const said = saidOf(item.updated_at, telling);
  const status = textOf(item.status);
  // events have no times of these; what is so was so from when it was said on
  const since = (time: number | null | undefined, when: string) =>
    timeOf(time) ?? (status === when ? said.updatedAt : null);
  const period = item.interval ?? item.plan_period;
  return {
    providerId: item.id,
    subscriptionId: item.subscription_id || subscriptionId || null,
    plan: storableText(item.plan?.slug),
    planId: item.plan_id ?? item.plan?.id ?? null,
    status,
    isTrial: item.is_free_trial ?? null,
    period: period === 'month' || period === 'annual' ? period : null,
    periodStart: timeOf(item.period_start),
    periodEnd: timeOf(item.period_end),
    canceledAt: since(item.canceled_at, 'canceled'),
    pastDueAt: timeOf(item.past_due_at),
    endedAt: since(item.ended_at, 'ended'),
    seats: seatsOf(item.seats),
    ...said,
  };
}

export function factsOfPayment(payment: ClerkPaymentAttempt, telling: Telling): PaymentFacts {
  const { amount, currency } = payment.totals?.grand_total ?? {};
  const { code, decline_code: declined } = payment.failed_reason ?? {};
  return {
    providerId: payment.id,
    status: textOf(payment.status),
    type: storableText(payment.charge_type),
    amount: integerOf(amount),
    currency: storableText(currency),
    failure: storableText(declined) ?? storableText(code),
    paidAt: timeOf(payment.paid_at),
    failedAt: timeOf(payment.failed_at),
    ...saidOf(payment.updated_at, telling),
  };
}

/** Null: it was not said. Of who may have as many as they want Clerk says null. */
function seatsOf(seats: ClerkSubscriptionItem['seats']): number | null {
  if (!seats) return null;
  if (seats.quantity === null) return UNLIMITED_SEATS;
  const quantity = integerOf(seats.quantity);
  return quantity !== null && quantity >= 0 ? quantity : null;
}

/** A time far ahead counts as that of the telling, as of every event. */
function saidOf(updatedAt: number | null | undefined, { eventId, at }: Telling): Said {
  return { updatedAt: updatedAt ? inMilliseconds(updatedAt, new Date(at)) : at, eventId };
}

function timeOf(time: number | null | undefined): number | null {
  const ms = time ? millisecondsOf(time) : null;
  return ms !== null && ms < END_OF_TIME_MS ? ms : null;
}

function textOf(value: string): string {
  return storableText(value) ?? '';
}

function integerOf(value: number | null | undefined): number | null {
  return Number.isInteger(value) && Math.abs(value as number) <= MAX_INTEGER ? (value as number) : null;
}
