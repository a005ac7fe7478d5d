import { z } from 'zod';
import { ClerkId, LenientFlag, LenientNumber, LenientText } from './clerk-values.schema.ts';

/** Of what an index holds; of two plans that begin alike a cut would make one. */
const MAX_SLUG = 255;
const MAX_AMOUNT = 2 ** 31 - 1;

/** In the smallest unit of the currency. Null: nothing is asked. */
const Money = z.looseObject({ amount: z.int().min(0).max(MAX_AMOUNT), currency: z.string() }).nullable();

/** A plan as Clerk's Backend API shows it. What it costs and gives is read strictly: else it would seem free, and empty. */
export const ClerkPlan = z.looseObject({
  id: ClerkId,
  slug: z.string().min(1).max(MAX_SLUG),
  name: LenientText,
  for_payer_type: z.enum(['org', 'user']),
  fee: Money,
  /** For a year at once. */
  annual_fee: Money,
  is_recurring: LenientFlag,
  publicly_visible: LenientFlag,
  features: z.array(z.looseObject({ slug: z.string() })).nullish(),
  free_trial_enabled: LenientFlag,
  free_trial_days: LenientNumber,
});
export type ClerkPlan = z.infer<typeof ClerkPlan>;
