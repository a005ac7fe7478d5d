type PayerType = 'user' | 'org';
export type Period = 'month' | 'annual';

/** An amount in cents. */
export interface Money {
  amount: number;
  amount_formatted: string;
  currency: 'USD';
  currency_symbol: '$';
}

/** A plan in the shape of Clerk's Backend API (2026-05-12). */
export interface Plan {
  object: 'commerce_plan';
  id: string;
  name: string;
  slug: string;
  description: string;
  product_id: string;
  fee: Money;
  /** Null: it cannot be had by the year. */
  annual_fee: Money | null;
  annual_monthly_fee: Money | null;
  is_default: boolean;
  is_recurring: boolean;
  has_base_fee: boolean;
  publicly_visible: boolean;
  for_payer_type: PayerType;
  avatar_url: null;
  features: Feature[];
  free_trial_enabled: boolean;
  free_trial_days: number | null;
}

interface Feature {
  object: 'feature';
  id: string;
  name: string;
  slug: string;
  description: string;
  avatar_url: null;
}

/** What a plan is made of. */
export interface Offer {
  slug: string;
  name: string;
  payer: PayerType;
  /** In cents. */
  fee: number;
  annualFee?: number;
  features: string[];
  trialDays?: number;
}

const FEATURES: Record<string, string> = {
  projects: 'Work in projects',
  export: 'Take the data elsewhere',
  audit: 'See who did what',
};

export function money(amount: number): Money {
  return { amount, amount_formatted: `$${(amount / 100).toFixed(2)}`, currency: 'USD', currency_symbol: '$' };
}

export function planOf({ slug, name, payer, fee, annualFee, features, trialDays }: Offer): Plan {
  return {
    object: 'commerce_plan',
    id: idOf('cplan', slug),
    name,
    slug,
    description: `${name}, for local work`,
    product_id: idOf('cprd', 'local'),
    fee: money(fee),
    annual_fee: annualFee === undefined ? null : money(annualFee),
    annual_monthly_fee: annualFee === undefined ? null : money(annualFee / 12),
    is_default: fee === 0,
    is_recurring: fee > 0,
    has_base_fee: fee > 0,
    publicly_visible: true,
    for_payer_type: payer,
    avatar_url: null,
    features: features.map(featureOf),
    free_trial_enabled: trialDays !== undefined,
    free_trial_days: trialDays ?? null,
  };
}

function featureOf(slug: string): Feature {
  const name = slug[0]?.toUpperCase() + slug.slice(1);
  return {
    object: 'feature',
    id: idOf('feat', slug),
    name,
    slug,
    description: FEATURES[slug] ?? name,
    avatar_url: null,
  };
}

/** The same after a restart. */
function idOf(kind: string, slug: string): string {
  const name = slug.replace('_', '');
  return `${kind}_${'2local'.padEnd(27 - name.length, '0')}${name}`;
}
