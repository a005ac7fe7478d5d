import { isDeepStrictEqual } from 'node:util';
import type { EntityManager } from '@mikro-orm/postgresql';
import { ANSWER, type WholeSubscription } from './billing-provider.ts';
import { columnsOfItem, columnsOfSubscription, type Mirrored } from './said.ts';
import { Subscription } from './subscription.entity.ts';
import { SubscriptionItem } from './subscription-item.entity.ts';
import { keptOf, takeItem, takeSubscription, withPlan } from './taking.ts';

/** How a payer stood when the provider was about to be asked. */
export interface Before {
  /** Milliseconds. */
  readonly askedAt: number;
  /** When each row was told of, in milliseconds, by the provider's id. */
  readonly toldAt: ReadonlyMap<string, number>;
}

/** These would give access for ever, or be waited for, were the provider's silence about them no word. */
const WITHOUT_END = ['active', 'past_due', 'upcoming'];
/** What is canceled ends by itself; silence about it is a word only where this is in force instead. */
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
): Promise<boolean> {
  const row = await em.findOne(Subscription, {});
  const columns = columnsOfSubscription(subscription);
  let hasChanged =
    row && isUntouched(row, before)
      ? put(row, { ...columns, startedAt: row.startedAt })
      : (await takeSubscription(em, subscription)).hasChanged;
  const rows = new Map((await em.find(SubscriptionItem, {})).map((item) => [item.providerId, item]));
  for (const told of items) {
    const facts = await withPlan(em, told);
    const item = rows.get(facts.providerId);
    const isPut = item && isUntouched(item, before);
    if (isPut ? put(item, { ...columnsOfItem(facts), ...keptOf(item, facts) }) : (await takeItem(em, facts)).hasChanged)
      hasChanged = true;
    rows.delete(facts.providerId);
  }
  const isReplaced = items.some(({ status }) => IN_FORCE.includes(status));
  const isEnded = end([...rows.values()], before, isReplaced ? [...WITHOUT_END, 'canceled'] : WITHOUT_END);
  const isFirst = (await em.nativeUpdate(Subscription, { isRead: false }, { isRead: true })) > 0;
  await em.flush();
  return hasChanged || isEnded || isFirst;
}

/** Takes the provider's word that it has no subscription of the payer's. */
export async function takeNothing(em: EntityManager, before: Before): Promise<boolean> {
  const isEnded = end(await em.find(SubscriptionItem, {}), before, WITHOUT_END);
  await em.flush();
  return isEnded;
}

function end(items: SubscriptionItem[], before: Before, statuses: string[]): boolean {
  const over = items.filter((item) => isUntouched(item, before) && statuses.includes(item.status));
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
