import type { EntityManager } from '@mikro-orm/postgresql';
import type { BillingWord } from './billing-facts.ts';
import { isWhole } from './billing-snapshot.ts';
import { knowsPlans } from './plans.service.ts';
import { Subscription } from './subscription.entity.ts';
import { SubscriptionItem } from './subscription-item.entity.ts';
import { type Outcome, takeItem, takePayment, takeSubscription } from './taking.ts';

/** Takes what events say of a payer, in a transaction of the payer. A doubt says why all of it should be read again. */
export async function takeWords(em: EntityManager, words: BillingWord[]): Promise<Outcome> {
  const outcomes: Outcome[] = [];
  for (const word of words) outcomes.push(await takeWord(em, word));
  const told = outcomes.find(({ doubt }) => doubt)?.doubt;
  const doubt = told ?? (await doubtOfPlans(em, words)) ?? (await doubtOfWhole(em));
  return { hasChanged: outcomes.some(({ hasChanged }) => hasChanged), doubt };
}

async function takeWord(em: EntityManager, word: BillingWord): Promise<Outcome> {
  const { subscription, items, payment, isUntimed } = word;
  const taken: Outcome[] = [];
  if (subscription) taken.push(await takeSubscription(em, subscription));
  for (const item of items) taken.push(await takeItem(em, item));
  if (payment) await takePayment(em, payment);
  const isLate = isUntimed && taken.some(({ hasChanged }) => !hasChanged);
  const doubt = isLate ? 'an event without a time' : (doubtOf(word) ?? taken.find((each) => each.doubt)?.doubt);
  return { hasChanged: taken.some(({ hasChanged }) => hasChanged), doubt };
}

/** What an event says of the whole and of its parts does not fit together. */
function doubtOf({ subscription, items }: BillingWord): string | undefined {
  if (!subscription || subscription.status === 'active') return undefined;
  return items.some(({ status }) => status === subscription.status) ? undefined : 'a status that no item of it has';
}

/** It was made since they were read. */
async function doubtOfPlans(em: EntityManager, words: BillingWord[]): Promise<string | undefined> {
  const slugs = words.flatMap(({ items }) => items.flatMap(({ plan }) => plan ?? []));
  return (await knowsPlans(em, slugs)) ? undefined : 'a plan that is not known';
}

/** Who paid before events were told is known by a part, and would seem to have no more than that. */
async function doubtOfWhole(em: EntityManager): Promise<string | undefined> {
  const known = { subscription: await em.findOne(Subscription, {}), items: await em.find(SubscriptionItem, {}) };
  return isWhole(known) ? undefined : 'told of in part alone';
}
