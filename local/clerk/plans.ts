import { notFound } from './answers.ts';
import { type Offer, type Plan, planOf } from './plan.ts';

/** Of the plans that are priced by the seat, how many there are where nobody says. */
export const DEFAULT_SEATS: Partial<Record<string, number>> = { business: 50 };

const OFFERS: Offer[] = [
  { slug: 'free_user', name: 'Free', payer: 'user', fee: 0, features: [] },
  { slug: 'plus', name: 'Plus', payer: 'user', fee: 800, features: ['export'] },
  { slug: 'free_org', name: 'Free', payer: 'org', fee: 0, features: ['projects'] },
  {
    slug: 'pro',
    name: 'Pro',
    payer: 'org',
    fee: 2000,
    annualFee: 19_200,
    features: ['projects', 'export'],
    trialDays: 14,
  },
  { slug: 'business', name: 'Business', payer: 'org', fee: 5000, features: ['projects', 'export', 'audit'] },
];

/** Oldest first. */
export const PLANS = OFFERS.map(planOf);

export const DEFAULT_PLANS = { user: knownPlan('free_user'), org: knownPlan('free_org') };

/** The plan with that slug, or a refusal as Clerk gives it. */
export function knownPlan(slug: string): Plan {
  const plan = PLANS.find((known) => known.slug === slug);
  if (!plan) throw notFound(`No plan was found with slug ${slug}`, { param_name: 'plan' });
  return plan;
}
