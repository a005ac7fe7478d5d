import { Injectable } from '@nestjs/common';
import {
  ANSWER,
  BillingProvider,
  type BillingWord,
  type ItemFacts,
  type PlanFacts,
  type WholeOffer,
  type WholeSubscription,
} from '../../src/billing/index.ts';
import { Problem } from '../../src/http/index.ts';

/** A subscription as Stripe has it: times in seconds, its own statuses, several for one customer, prices instead of plans. */
export interface StripeSubscription {
  id: string;
  customer: string;
  status: 'trialing' | 'active' | 'past_due' | 'canceled' | 'unpaid' | 'incomplete' | 'incomplete_expired' | 'paused';
  created: number;
  cancel_at_period_end: boolean;
  canceled_at: number | null;
  ended_at: number | null;
  trial_end: number | null;
  items: {
    data: {
      id: string;
      current_period_start: number;
      current_period_end: number;
      quantity: number;
      price: { lookup_key: string; recurring: { interval: 'month' | 'year' } };
    }[];
  };
}

interface StripeProduct {
  id: string;
  name: string;
  metadata: { slug: string; payer: 'tenant' | 'user' };
  default_price: { unit_amount: number; currency: string; recurring: { interval: 'month' | 'year' } | null };
  marketing_features: { name: string }[];
}

const STATUSES: Record<string, string> = { trialing: 'active', unpaid: 'ended', incomplete_expired: 'expired' };

/** Stripe, of which each tenant or user is a customer with its Clerk id as metadata. */
export const stripe = {
  products: [] as StripeProduct[],
  /** By Clerk's id of the payer. */
  subscriptions: new Map<string, StripeSubscription[]>(),
};

/** The provider over those objects. */
@Injectable()
export class StripeProvider extends BillingProvider {
  async plans(): Promise<WholeOffer> {
    const plans: PlanFacts[] = stripe.products.map(
      ({ id, name, metadata, default_price: price, marketing_features: features }) => ({
        providerId: id,
        slug: metadata.slug,
        name,
        payer: metadata.payer,
        amount: price.unit_amount,
        annualAmount: null,
        currency: price.currency.toUpperCase(),
        period: price.recurring && (price.recurring.interval === 'year' ? 'annual' : 'month'),
        features: features.map((feature) => feature.name),
        trialDays: null,
        isPublic: true,
      }),
    );
    return { plans, isWhole: true };
  }

  async subscriptionOf({ clerkId }: { clerkId: string }): Promise<WholeSubscription | null> {
    const found = stripe.subscriptions.get(clerkId);
    return found ? wholeOf(found) : null;
  }

  async cancel(itemId: string, { endNow }: { endNow: boolean }): Promise<void> {
    const now = Math.floor(Date.now() / 1000);
    const own = subscriptionWith(itemId);
    Object.assign(own, endNow ? { status: 'canceled', ended_at: now } : { cancel_at_period_end: true }, {
      canceled_at: now,
    });
  }

  async extendTrial(itemId: string, until: Date): Promise<void> {
    const own = subscriptionWith(itemId);
    own.trial_end = Math.floor(until.getTime() / 1000);
    for (const item of own.items.data) item.current_period_end = own.trial_end;
  }
}

/** What a webhook of Stripe's says: it names the customer alone. */
export function wordOf(subscription: StripeSubscription, eventId: string, created: number): BillingWord {
  return {
    payer: null,
    providerIds: [subscription.id, subscription.customer, ...subscription.items.data.map(({ id }) => id)],
    items: itemsOf(subscription, { updatedAt: created * 1000, eventId }),
    isUntimed: false,
  };
}

function wholeOf(found: StripeSubscription[]): WholeSubscription {
  const said = { updatedAt: Date.now(), eventId: ANSWER };
  const [first] = found;
  return {
    subscription: {
      providerId: first?.customer ?? '',
      status: first?.status ?? 'ended',
      startedAt: (first?.created ?? 0) * 1000,
      pastDueAt: null,
      ...said,
    },
    items: found.flatMap((each) => itemsOf(each, said)),
  };
}

function itemsOf(subscription: StripeSubscription, said: { updatedAt: number; eventId: string }): ItemFacts[] {
  const { id, status, cancel_at_period_end: isEnding, canceled_at, ended_at, items } = subscription;
  const isOver = status === 'canceled';
  return items.data.map((item) => ({
    providerId: item.id,
    subscriptionId: id,
    plan: item.price.lookup_key,
    planId: null,
    status: isOver ? 'ended' : isEnding ? 'canceled' : (STATUSES[status] ?? status),
    isTrial: status === 'trialing',
    period: item.price.recurring.interval === 'year' ? 'annual' : 'month',
    periodStart: item.current_period_start * 1000,
    periodEnd: item.current_period_end * 1000,
    canceledAt: canceled_at && canceled_at * 1000,
    pastDueAt: status === 'past_due' ? item.current_period_start * 1000 : null,
    endedAt: ended_at && ended_at * 1000,
    seats: item.quantity,
    ...said,
  }));
}

function subscriptionWith(itemId: string): StripeSubscription {
  const own = [...stripe.subscriptions.values()].flat().find(({ items }) => items.data.some(({ id }) => id === itemId));
  if (!own) throw new Problem('not_found');
  return own;
}
