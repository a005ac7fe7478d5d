import type { NamedPayer } from './payer.ts';
import type { PaidPeriod, PayerKind } from './plan.entity.ts';

/** What a provider says of a plan, in our words; so with the others below. Times in milliseconds. */
export interface PlanFacts {
  providerId: string;
  slug: string;
  name: string;
  payer: PayerKind;
  /** In the smallest unit of the currency, for one period. */
  amount: number;
  /** For a year at once; null: it is not sold so. */
  annualAmount: number | null;
  currency: string;
  /** Null: it is not charged again. */
  period: PaidPeriod | null;
  features: string[];
  trialDays: number | null;
  isPublic: boolean;
}

/** When something was said: the later counts, of equal times the greater `eventId`. */
export interface Said {
  updatedAt: number;
  eventId: string;
}

export interface SubscriptionFacts extends Said {
  providerId: string;
  status: string;
  startedAt: number | null;
  pastDueAt: number | null;
}

export interface ItemFacts extends Said {
  providerId: string;
  subscriptionId: string | null;
  /** The slug; where it was not said, the id says which. */
  plan: string | null;
  planId: string | null;
  status: string;
  /** Null: it was not said, which is in doubt where it is active. */
  isTrial: boolean | null;
  period: PaidPeriod | null;
  periodStart: number | null;
  periodEnd: number | null;
  canceledAt: number | null;
  pastDueAt: number | null;
  endedAt: number | null;
  seats: number | null;
}

export interface PaymentFacts extends Said {
  providerId: string;
  status: string;
  type: string | null;
  amount: number | null;
  currency: string | null;
  failure: string | null;
  paidAt: number | null;
  failedAt: number | null;
}

/** What an event of the provider's says, of one payer. */
export interface BillingWord {
  /** Null: it does not say whose it is. */
  payer: NamedPayer | null;
  /** The provider's ids in it, by which another word may tell whose it is. */
  providerIds: string[];
  subscription?: SubscriptionFacts;
  items: ItemFacts[];
  payment?: PaymentFacts;
  /** It has no time of its own: where something later is known, which of them is right is in doubt. */
  isUntimed: boolean;
}
