/** What of an item decides on access. */
export interface AccessItem {
  readonly status: string;
  readonly isTrial: boolean;
  readonly periodStart: Date | null;
  readonly periodEnd: Date | null;
  readonly pastDueAt: Date | null;
  /** When the status was said: milliseconds. */
  readonly clerkUpdatedAt: number;
}

/** Until when an item gives access, exclusive; `open`: until something else is said. */
export type AccessEnd = Date | 'open' | 'none';

interface Terms {
  readonly subscriptionPastDueAt: Date | null;
  readonly graceMs: number;
}

type Rule = (item: AccessItem, terms: Terms) => AccessEnd;

const noAccess: Rule = () => 'none';

/**
 * Access by status, all there is to know; docs/architecture.md shows it as a table. Nothing has to run for an access to end: who
 * asks compares with the clock.
 */
const ACCESS = new Map<string, Rule>([
  // the renewal is said when it is paid; a trial ends by itself
  ['active', ({ isTrial, periodEnd }) => (isTrial ? (periodEnd ?? 'none') : 'open')],
  // the payment for the next period failed: it goes on for the days of grace
  ['past_due', (item, { graceMs, ...terms }) => new Date(pastDueSince(item, terms).getTime() + graceMs)],
  // it is paid until then
  ['canceled', ({ periodEnd }) => periodEnd ?? 'none'],
  ['upcoming', noAccess],
  ['ended', noAccess],
  ['expired', noAccess],
  ['abandoned', noAccess],
  ['incomplete', noAccess],
]);

export function isKnownStatus(status: string): boolean {
  return ACCESS.has(status);
}

/** It comes to nothing any more. */
export function isOver(status: string): boolean {
  return ['ended', 'expired', 'abandoned'].includes(status);
}

/** A status that is not in the table, which the provider made up since, gives none. */
export function accessEndOf(item: AccessItem, terms: Terms): AccessEnd {
  return ACCESS.get(item.status)?.(item, terms) ?? 'none';
}

/** Events say since when of the subscription alone, and that may be a time of an earlier period. */
export function pastDueSince(
  { pastDueAt, periodStart, clerkUpdatedAt }: AccessItem,
  { subscriptionPastDueAt: whole }: Pick<Terms, 'subscriptionPastDueAt'>,
): Date {
  if (pastDueAt) return pastDueAt;
  return whole && whole >= (periodStart ?? whole) ? whole : new Date(clerkUpdatedAt);
}
