import type { ClerkPaymentAttempt, ClerkSubscription, ClerkSubscriptionItem } from '../clerk/index.ts';
import type { BillingWord } from './billing-facts.ts';
import { factsOfItem, factsOfPayment, factsOfSubscription, itemsOf, type Telling } from './clerk-billing-facts.ts';
import type { NamedPayer } from './payer.ts';

type ClerkPayer = ClerkSubscription['payer'];

export function wordOfSubscription(subscription: ClerkSubscription, telling: Telling): BillingWord {
  const items = itemsOf(subscription);
  const payer = items.reduce((found: ClerkPayer, item) => found ?? item.payer, subscription.payer);
  return {
    payer: payerOf(payer),
    providerIds: idsOf(subscription.id, subscription.payer_id, payer?.id, ...items.map(({ id }) => id)),
    subscription: factsOfSubscription(subscription, telling),
    items: items.map((item) => factsOfItem(item, telling, subscription.id)),
    isUntimed: !subscription.updated_at || items.some((item) => !item.updated_at),
  };
}

export function wordOfItem(item: ClerkSubscriptionItem, telling: Telling): BillingWord {
  return {
    payer: payerOf(item.payer),
    providerIds: idsOf(item.id, item.subscription_id, item.payer_id, item.payer?.id),
    items: [factsOfItem(item, telling)],
    isUntimed: !item.updated_at,
  };
}

/** The items in it are as they were, and say nothing new. */
export function wordOfPayment(payment: ClerkPaymentAttempt, telling: Telling): BillingWord {
  const items = payment.subscription_items ?? [];
  const payer = items.reduce((found: ClerkPayer, item) => found ?? item.payer, payment.payer);
  return {
    payer: payerOf(payer),
    providerIds: idsOf(payer?.id, ...items.flatMap(({ id, subscription_id: of }) => [id, of])),
    items: [],
    payment: factsOfPayment(payment, telling),
    isUntimed: false,
  };
}

/** Of the two ids the one that is not the payer's is empty, or left out. */
function payerOf(payer: ClerkPayer): NamedPayer | null {
  if (payer?.organization_id) return { kind: 'tenant', clerkId: payer.organization_id };
  return payer?.user_id ? { kind: 'user', clerkId: payer.user_id } : null;
}

function idsOf(...ids: (string | null | undefined)[]): string[] {
  return [...new Set(ids.filter((id) => typeof id === 'string' && id !== ''))] as string[];
}
