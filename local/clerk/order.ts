import { unprocessable } from './answers.ts';
import type { Period, Plan } from './plan.ts';
import { DEFAULT_SEATS, knownPlan } from './plans.ts';

/** A plan, how often it is paid, and for how many; null where it is not priced by the seat. */
export interface Order {
  plan: Plan;
  plan_period: Period;
  seats: number | null;
}

export interface Wishes {
  trial?: boolean;
  period?: Period;
  seats?: number;
}

const MONTHS = { month: 1, annual: 12 };

/** What a payer of that default plan may have; throws a Refusal. */
export function orderOf(left: Plan, slug: string, { period = 'month', seats }: Wishes): Order {
  const plan = knownPlan(slug);
  const refuse = (name: string, message: string) => unprocessable('form_param_value_invalid', name, message);
  if (plan.for_payer_type !== left.for_payer_type) throw refuse('plan', 'The plan is for other payers.');
  if (plan.is_default) throw refuse('plan', 'The default plan is what is left when the other is canceled.');
  if (period === 'annual' && !plan.annual_fee) throw refuse('period', 'The plan cannot be had by the year.');
  const usual = DEFAULT_SEATS[slug] ?? null;
  if (seats !== undefined && (usual === null || seats < 1))
    throw refuse('seats', 'The plan does not have these seats.');
  return { plan, plan_period: period, seats: seats ?? usual };
}

/** In cents, for a period. */
export function priceOf({ plan, plan_period: period }: Order): number {
  return (period === 'annual' ? plan.annual_fee : plan.fee)?.amount ?? 0;
}

export function periodFrom({ plan, plan_period: period }: Order, start: number) {
  const end = new Date(start);
  end.setUTCMonth(end.getUTCMonth() + MONTHS[period]);
  return { period_start: start, period_end: plan.is_default ? null : end.getTime() };
}

export function isSame(one: Order, other: Order): boolean {
  return one.plan === other.plan && one.plan_period === other.plan_period && one.seats === other.seats;
}

/** A cheaper plan; of one plan by the month rather than the year, and then with fewer seats. */
export function isLess(one: Order, other: Order): boolean {
  const difference =
    one.plan.fee.amount - other.plan.fee.amount ||
    MONTHS[one.plan_period] - MONTHS[other.plan_period] ||
    (one.seats ?? 0) - (other.seats ?? 0);
  return difference < 0;
}
