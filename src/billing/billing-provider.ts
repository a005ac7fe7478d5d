import type { ItemFacts, PlanFacts, SubscriptionFacts } from './billing-facts.ts';
import type { NamedPayer } from './payer.ts';

/** The `eventId` of what a provider answers: of equal times it is the last word, after every event's. */
export const ANSWER = '~answer';

/** All that a provider sells. */
export interface WholeOffer {
  plans: PlanFacts[];
  /** Whether there are no others: then what is not in it is not sold any more. */
  isWhole: boolean;
  /** The provider's ids of those that cannot be read. */
  unreadable?: string[];
}

/** All that a provider says of a payer at one moment: items that are not in it are over; canceled ones where another is in force. */
export interface WholeSubscription {
  subscription: SubscriptionFacts;
  items: ItemFacts[];
}

/**
 * Who sells plans and takes payments. What it says by events reaches `BillingMirror` as words. No method is called while a
 * transaction is open, and each throws a Problem.
 */
export abstract class BillingProvider {
  /** Throws `not_found` where billing is off. */
  abstract plans(): Promise<WholeOffer>;

  /** Null: it knows of none. */
  abstract subscriptionOf(payer: NamedPayer): Promise<WholeSubscription | null>;

  /** Ends what is paid for, by the provider's id of the item: at once, or when its period does. */
  abstract cancel(itemId: string, options: { endNow: boolean }): Promise<void>;

  abstract extendTrial(itemId: string, until: Date): Promise<void>;
}
