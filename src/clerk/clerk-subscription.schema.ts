import { z } from 'zod';
import { ClerkId, LenientFlag, LenientId, LenientNumber, LenientText, LenientTime } from './clerk-values.schema.ts';

/** Who pays; the other of the two ids is empty, or not there. */
const ClerkPayer = z
  .looseObject({ id: LenientId, user_id: LenientId, organization_id: LenientId })
  .nullish()
  .catch(null);

const MAX_ITEMS = 1000;

/** A payer on a plan, as the Backend API and events show it: each leaves out something else. */
export const ClerkSubscriptionItem = z.looseObject({
  id: ClerkId,
  status: z.string(),
  subscription_id: LenientId,
  payer_id: LenientId,
  payer: ClerkPayer,
  plan_id: LenientId,
  plan: z.looseObject({ id: LenientId, slug: LenientText }).nullish().catch(null),
  is_free_trial: LenientFlag,
  /** In events; the API says `plan_period`. */
  interval: LenientText,
  plan_period: LenientText,
  period_start: LenientTime,
  period_end: LenientTime,
  canceled_at: LenientTime,
  past_due_at: LenientTime,
  ended_at: LenientTime,
  seats: z.looseObject({ quantity: z.number().nullable() }).nullish().catch(null),
  updated_at: LenientTime,
});
export type ClerkSubscriptionItem = z.infer<typeof ClerkSubscriptionItem>;

/** One that is malformed is left out: it is no reason to lose the rest. */
const Items = z
  .array(ClerkSubscriptionItem.nullable().catch(null))
  .transform((items) => items.filter((item) => item !== null).slice(0, MAX_ITEMS))
  .nullish()
  .catch(null);

/** The contract with a payer: `items` in events, `subscription_items` in the API. */
export const ClerkSubscription = z.looseObject({
  id: ClerkId,
  status: z.string(),
  payer_id: LenientId,
  payer: ClerkPayer,
  active_at: LenientTime,
  past_due_at: LenientTime,
  created_at: LenientTime,
  updated_at: LenientTime,
  items: Items,
  subscription_items: Items,
});
export type ClerkSubscription = z.infer<typeof ClerkSubscription>;

/** As the Backend API must answer: of what cannot be read it must not seem that it is over. */
export const WholeClerkSubscription = ClerkSubscription.extend({
  subscription_items: z.array(ClerkSubscriptionItem).max(MAX_ITEMS),
});

export const ClerkPaymentAttempt = z.looseObject({
  id: ClerkId,
  status: z.string(),
  charge_type: LenientText,
  payer: ClerkPayer,
  totals: z
    .looseObject({
      grand_total: z.looseObject({ amount: LenientNumber, currency: LenientText }).nullish().catch(null),
    })
    .nullish()
    .catch(null),
  paid_at: LenientTime,
  failed_at: LenientTime,
  failed_reason: z.looseObject({ code: LenientText, decline_code: LenientText }).nullish().catch(null),
  subscription_items: z
    .array(z.looseObject({ id: LenientId, subscription_id: LenientId, payer: ClerkPayer }))
    .nullish()
    .catch(null),
  updated_at: LenientTime,
});
export type ClerkPaymentAttempt = z.infer<typeof ClerkPaymentAttempt>;
