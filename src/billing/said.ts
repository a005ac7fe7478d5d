import type { ItemFacts, PaymentFacts, Said, SubscriptionFacts } from './billing-facts.ts';

/** When a row was told, and by what. */
export interface Mirrored {
  clerkUpdatedAt: number;
  clerkEventId: string;
}

/** Whether what is said is newer than the row: of equal times the greater event id wins, so that any order ends alike. */
export function isNewer({ updatedAt, eventId }: Said, row: Mirrored): boolean {
  return updatedAt === row.clerkUpdatedAt ? eventId > row.clerkEventId : updatedAt > row.clerkUpdatedAt;
}

/** Facts as the columns of their row. */
export function columnsOfSubscription({ startedAt, pastDueAt, ...facts }: SubscriptionFacts) {
  return { ...mirroredOf(facts), startedAt: dateOf(startedAt), pastDueAt: dateOf(pastDueAt) };
}

export function columnsOfItem({
  planId: _,
  isTrial,
  periodStart,
  periodEnd,
  canceledAt,
  pastDueAt,
  endedAt,
  ...facts
}: ItemFacts) {
  return {
    ...mirroredOf(facts),
    isTrial: isTrial ?? false,
    periodStart: dateOf(periodStart),
    periodEnd: dateOf(periodEnd),
    canceledAt: dateOf(canceledAt),
    pastDueAt: dateOf(pastDueAt),
    endedAt: dateOf(endedAt),
  };
}

export function columnsOfPayment({ paidAt, failedAt, ...facts }: PaymentFacts) {
  return { ...mirroredOf(facts), paidAt: dateOf(paidAt), failedAt: dateOf(failedAt) };
}

function mirroredOf<Facts extends Said>({ updatedAt, eventId, ...facts }: Facts) {
  return { ...facts, clerkUpdatedAt: updatedAt, clerkEventId: eventId };
}

function dateOf(ms: number | null): Date | null {
  return ms === null ? null : new Date(ms);
}
