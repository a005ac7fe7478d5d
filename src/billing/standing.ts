import { type AccessEnd, accessEndOf, pastDueSince } from './access.ts';
import type { BillingSnapshot } from './billing-snapshot.ts';

type Item = BillingSnapshot['items'][number];

/** How a payer stands at a moment. */
export interface Standing {
  /** What gives access now, else what did last; null: nothing ever did. */
  readonly item: Item | null;
  readonly hasAccess: boolean;
  /** Access goes on although a payment failed. */
  readonly isGrace: boolean;
  readonly pastDueAt: Date | null;
}

/** Of these it cannot be said that they ever gave access. */
const NEVER_BEGAN = ['upcoming', 'incomplete', 'abandoned'];

/** When the clock alone will make the payer stand otherwise, in milliseconds; Infinity: never. */
export function changesAt(snapshot: BillingSnapshot, now: Date, graceMs: number): number {
  const terms = termsOf(snapshot, graceMs);
  const { items, overrides } = snapshot;
  const ends = [...items.map((item) => accessEndOf(item, terms)), ...overrides.map(({ endsAt }) => endsAt)];
  const times = ends.flatMap((end) => (end instanceof Date && end > now ? [end.getTime()] : []));
  return Math.min(Number.POSITIVE_INFINITY, ...times);
}

/** By the clock alone: nothing has to run for it to become so. `defaultPlan` is that of who pays for none. */
export function standingOf(snapshot: BillingSnapshot, defaultPlan: string, now: Date, graceMs: number): Standing {
  const terms = termsOf(snapshot, graceMs);
  const items = snapshot.items.map((item) => ({ item, end: accessEndOf(item, terms) }));
  const giving = items.filter(({ end }) => isOpen(end, now)).map(({ item }) => item);
  const began = snapshot.items.filter(({ status }) => !NEVER_BEGAN.includes(status));
  const [item = null] = [...giving.toSorted(byWorth(defaultPlan)), ...began.toSorted(byEnd)];
  const isPastDue = item?.status === 'past_due';
  const hasAccess = giving.length > 0;
  return {
    item,
    hasAccess,
    isGrace: hasAccess && isPastDue,
    pastDueAt: item && isPastDue ? pastDueSince(item, terms) : null,
  };
}

/** What decides on the access of an item beside itself. */
export function termsOf({ subscription }: BillingSnapshot, graceMs: number) {
  return { subscriptionPastDueAt: subscription?.pastDueAt ?? null, graceMs };
}

function isOpen(end: AccessEnd, now: Date): boolean {
  return end === 'open' || (end !== 'none' && now < end);
}

/** Other plans before the default one, the latest first; then by id, so that it is always the same. */
function byWorth(defaultPlan: string) {
  return (one: Item, other: Item) =>
    rankOf(one, defaultPlan) - rankOf(other, defaultPlan) ||
    timeOf(other.periodStart) - timeOf(one.periodStart) ||
    (one.providerId < other.providerId ? -1 : 1);
}

/** Of what no plan was said nothing can be given. */
function rankOf({ plan }: Item, defaultPlan: string): number {
  if (plan === null) return 2;
  return plan === defaultPlan ? 1 : 0;
}

function byEnd(one: Item, other: Item): number {
  return endOf(other) - endOf(one) || (one.providerId < other.providerId ? -1 : 1);
}

function endOf({ endedAt, periodEnd, clerkUpdatedAt }: Item): number {
  return (endedAt ?? periodEnd)?.getTime() ?? clerkUpdatedAt;
}

function timeOf(date: Date | null): number {
  return date?.getTime() ?? 0;
}
