import { isDeepStrictEqual } from 'node:util';
import { type EntityManager, LockMode } from '@mikro-orm/postgresql';
import { isKnownStatus, isOver } from './access.ts';
import { FOR_GOOD } from './allowance.ts';
import type { ItemFacts, PaymentFacts, SubscriptionFacts } from './billing-facts.ts';
import { ANSWER } from './billing-provider.ts';
import { PaymentAttempt } from './payment-attempt.entity.ts';
import { Plan } from './plan.entity.ts';
import { columnsOfItem, columnsOfPayment, columnsOfSubscription, isNewer } from './said.ts';
import { Subscription } from './subscription.entity.ts';
import { SubscriptionItem } from './subscription-item.entity.ts';
import { UsageCounter } from './usage.entity.ts';

/** What a word says of an item. */
type ItemWord = Pick<SubscriptionItem, keyof ReturnType<typeof columnsOfItem>>;

/** What became of a word, and why what it says should be read again, if it should. */
export interface Outcome {
  hasChanged: boolean;
  doubt: string | undefined;
}

const MAY_GIVE_ACCESS = ['active', 'past_due', 'canceled'];
const TO_CHANGE = { lockMode: LockMode.PESSIMISTIC_WRITE } as const;
export const AT_ODDS = 'two words of the same time that are not the same';

/** This and the others take what a word says of one row, in a transaction of the payer. */
export async function takeSubscription(em: EntityManager, facts: SubscriptionFacts): Promise<Outcome> {
  const row = await em.findOne(Subscription, {}, TO_CHANGE);
  const isAtOdds = row?.clerkUpdatedAt === facts.updatedAt && row.status !== facts.status;
  if (row && !isNewer(facts, row)) return { hasChanged: false, doubt: isAtOdds ? AT_ODDS : undefined };
  const columns = columnsOfSubscription(facts);
  if (row) em.assign(row, { ...columns, startedAt: row.startedAt });
  else em.create(Subscription, { ...columns, startedAt: await anchorOf(em, columns.startedAt) });
  await em.flush();
  return { hasChanged: true, doubt: isAtOdds ? AT_ODDS : doubtOfStatus(facts.status) };
}

/** What was counted by calendar months goes on so: else the first word of a subscription would begin a new count. */
async function anchorOf(em: EntityManager, startedAt: Date | null): Promise<Date | null> {
  return (await em.count(UsageCounter, { periodStart: { $gt: FOR_GOOD } })) > 0 ? null : startedAt;
}

export async function takeItem(em: EntityManager, told: ItemFacts): Promise<Outcome> {
  const facts = await withPlan(em, told);
  const row = await em.findOne(SubscriptionItem, { providerId: facts.providerId }, TO_CHANGE);
  const columns = columnsOfItem({ ...facts, isTrial: facts.isTrial ?? row?.isTrial ?? null });
  const revived = row && isRevived(row, facts) ? 'told of, though the provider did not have it any more' : undefined;
  if (row && !isNewer(facts, row)) return { hasChanged: false, doubt: revived ?? doubtBetween(columns, row) };
  const doubt = doubtOfItem(facts) ?? revived ?? (row ? doubtBetween(row, columns) : undefined);
  if (row) em.assign(row, { ...columns, ...keptOf(row, facts), ...keptOfEvent(row, facts) });
  else em.create(SubscriptionItem, columns);
  await em.flush();
  return { hasChanged: true, doubt };
}

/** By the provider's id of the plan where its slug was not said. */
export async function withPlan(em: EntityManager, facts: ItemFacts): Promise<ItemFacts> {
  if (facts.plan !== null || facts.planId === null) return facts;
  const plan = await em.findOne(Plan, { providerId: facts.planId });
  return { ...facts, plan: plan?.slug ?? null };
}

export async function takePayment(em: EntityManager, facts: PaymentFacts): Promise<void> {
  const row = await em.findOne(PaymentAttempt, { providerId: facts.providerId }, TO_CHANGE);
  if (row && !isNewer(facts, row)) return;
  if (row) em.assign(row, columnsOfPayment(facts));
  else em.create(PaymentAttempt, columnsOfPayment(facts));
  await em.flush();
}

/** What is left out is not the opposite: it stays as it was, while it may have. Of an answer, too. */
export function keptOf(row: SubscriptionItem, facts: ItemFacts): Partial<SubscriptionItem> {
  const { status, plan, isTrial, periodEnd, pastDueAt, updatedAt } = facts;
  const mustEnd = status === 'canceled' || (isTrial ?? row.isTrial);
  const isStillPastDue = status === 'past_due' && row.status === 'past_due' && pastDueAt === null;
  const before = row.clerkUpdatedAt < updatedAt ? new Date(row.clerkUpdatedAt) : null;
  return {
    ...(plan === null && { plan: row.plan }),
    ...(isTrial === null && { isTrial: row.isTrial }),
    ...(periodEnd === null && mustEnd && isSamePeriod(row, facts) && { periodEnd: row.periodEnd }),
    ...(isStillPastDue && { pastDueAt: row.pastDueAt ?? before }),
  };
}

/** Of an event, which may leave out what an answer would say. */
function keptOfEvent(row: SubscriptionItem, facts: ItemFacts): Partial<SubscriptionItem> {
  const { subscriptionId, period, periodStart, periodEnd, seats } = facts;
  return {
    ...(subscriptionId === null && { subscriptionId: row.subscriptionId }),
    ...(period === null && { period: row.period }),
    ...(periodStart === null && { periodStart: row.periodStart }),
    ...(periodEnd === null && isSamePeriod(row, facts) && { periodEnd: row.periodEnd }),
    ...(seats === null && { seats: row.seats }),
  };
}

function isSamePeriod(row: SubscriptionItem, { periodStart }: ItemFacts): boolean {
  return periodStart === null || periodStart === row.periodStart?.getTime();
}

/** What two words of an item make doubtful, in whatever order they come: then what is kept depends on it. */
function doubtBetween(earlier: ItemWord, later: ItemWord): string | undefined {
  if (earlier.clerkUpdatedAt === later.clerkUpdatedAt && contradict(earlier, later)) return AT_ODDS;
  if (isOver(later.status)) return undefined;
  if (earlier.seats !== null && later.seats === null) return 'seats, and how many was not said';
  const isOneOfBoth = !later.periodStart || isDeepStrictEqual(earlier.periodStart, later.periodStart);
  return earlier.periodEnd && !later.periodEnd && isOneOfBoth ? 'an end that is not said any more' : undefined;
}

/** It was over by an answer, whose time is that of our clock, and may have come late. */
function isRevived(row: SubscriptionItem, { status }: ItemFacts): boolean {
  return row.clerkEventId === ANSWER && isOver(row.status) && !isOver(status);
}

function contradict(one: ItemWord, other: ItemWord): boolean {
  const isOther = <T>(a: T | null, b: T | null) => a !== null && b !== null && !isDeepStrictEqual(a, b);
  return (
    one.status !== other.status ||
    one.isTrial !== other.isTrial ||
    isOther(one.plan, other.plan) ||
    isOther(one.periodEnd, other.periodEnd)
  );
}

function doubtOfItem({ status, plan, isTrial, periodEnd, pastDueAt }: ItemFacts): string | undefined {
  if (plan === null) return 'an item without a plan';
  if (isTrial === null && MAY_GIVE_ACCESS.includes(status)) return 'whether it is a trial was not said';
  if (isTrial && periodEnd === null) return 'on trial, and until when was not said';
  if (status === 'canceled' && periodEnd === null) return 'canceled, and until when was not said';
  if (status === 'past_due' && pastDueAt === null) return 'past due, and since when was not said';
  return doubtOfStatus(status);
}

function doubtOfStatus(status: string): string | undefined {
  return isKnownStatus(status) ? undefined : 'a status that is not known';
}
