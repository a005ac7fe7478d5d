import { isDeepStrictEqual } from 'node:util';
import type { EntityManager } from '@mikro-orm/postgresql';
import type { ItemFacts } from './billing-facts.ts';
import { ANSWER, type WholeSubscription } from './billing-provider.ts';
import { columnsOfItem, columnsOfSubscription, type Mirrored } from './said.ts';
import { Subscription } from './subscription.entity.ts';
import { SubscriptionItem } from './subscription-item.entity.ts';
import { AT_ODDS, keptOf, type Outcome, takeItem, takeSubscription, withPlan } from './taking.ts';

/** How a payer stood when the provider was about to be asked. */
export interface Before {
  /** Milliseconds. */
  readonly askedAt: number;
  /** When each row was told of, in milliseconds, by the provider's id. */
  readonly toldAt: ReadonlyMap<string, number>;
}

/** These would give access for ever, or be waited for, were the provider's silence about them no word. */
const WITHOUT_END = ['active', 'past_due', 'upcoming'];
const IN_FORCE = ['active', 'past_due'];

/** In the scope of the payer. */
export async function lookBefore(em: EntityManager): Promise<Before> {
  const rows = [...(await em.find(Subscription, {})), ...(await em.find(SubscriptionItem, {}))];
  return { askedAt: Date.now(), toldAt: new Map(rows.map((row) => [row.providerId, row.clerkUpdatedAt])) };
}

/**
 * Takes an answer as the last word on every row that is as it was before the provider was asked: events may have times of
 * their own that are later than those of the objects. Of a row that was told of since the later word counts; one of the
 * same time says the same, or is in doubt.
 */
export async function takeWhole(
  em: EntityManager,
  { subscription, items }: WholeSubscription,
  before: Before,
): Promise<Outcome> {
  const row = await em.findOne(Subscription, {});
  const columns = columnsOfSubscription(subscription);
  let hasChanged =
    row && isUntouched(row, before)
      ? put(row, { ...columns, startedAt: row.startedAt })
      : (await takeSubscription(em, subscription)).hasChanged;
  const rows = new Map((await em.find(SubscriptionItem, {})).map((item) => [item.providerId, item]));
  let doubt: string | undefined;
  for (const told of items) {
    const facts = await withPlan(em, told);
    const item = rows.get(facts.providerId);
    if (item && isUntouched(item, before)) {
      if (isBehind(facts, item)) doubt = 'an answer that is older than an event';
      if (put(item, { ...columnsOfItem(facts), ...keptOf(item, facts) })) hasChanged = true;
    } else {
      const taken = await takeItem(em, facts);
      if (taken.doubt === AT_ODDS) doubt = AT_ODDS;
      if (taken.hasChanged) hasChanged = true;
    }
    rows.delete(facts.providerId);
  }
  const over = [...rows.values()].filter((item) => WITHOUT_END.includes(item.status) || isReplaced(item, items));
  const isEnded = end(over, before);
  const isFirst = (await em.nativeUpdate(Subscription, { isRead: false }, { isRead: true })) > 0;
  await em.flush();
  return { hasChanged: hasChanged || isEnded || isFirst, doubt };
}

/** Takes the provider's word that it has no subscription of the payer's. */
export async function takeNothing(em: EntityManager, before: Before): Promise<boolean> {
  const isEnded = end(await em.find(SubscriptionItem, { status: WITHOUT_END }), before);
  await em.flush();
  return isEnded;
}

/** Events may come before the provider's own answers know of what they tell; but for one that has such a time of its own. */
function isBehind({ status, updatedAt }: ItemFacts, row: SubscriptionItem): boolean {
  return row.clerkEventId !== ANSWER && updatedAt < row.clerkUpdatedAt && status !== row.status;
}

/** What is canceled ends by itself, and may not be named any more; but something else has been in force since. */
function isReplaced({ status, canceledAt }: SubscriptionItem, items: ItemFacts[]): boolean {
  if (status !== 'canceled' || !canceledAt) return false;
  return items.some((item) => IN_FORCE.includes(item.status) && (item.periodStart ?? 0) >= canceledAt.getTime());
}

function end(items: SubscriptionItem[], before: Before): boolean {
  const over = items.filter((item) => isUntouched(item, before));
  for (const item of over) item.end(before.askedAt, ANSWER);
  return over.length > 0;
}

function isUntouched({ providerId, clerkUpdatedAt }: Mirrored & { providerId: string }, { toldAt }: Before): boolean {
  return toldAt.get(providerId) === clerkUpdatedAt;
}

/** Answers whether anything but the times of telling became other. */
function put<Row extends Mirrored>(row: Row, columns: Partial<Row> & Mirrored): boolean {
  const { clerkUpdatedAt, clerkEventId, ...facts } = columns;
  const hasChanged = Object.entries(facts).some(([name, value]) => !isDeepStrictEqual(row[name as keyof Row], value));
  const isLater = clerkUpdatedAt > row.clerkUpdatedAt;
  Object.assign(row, facts, { clerkEventId, clerkUpdatedAt: isLater ? clerkUpdatedAt : row.clerkUpdatedAt });
  return hasChanged;
}
