import type { EntityManager } from '@mikro-orm/postgresql';
import { type Row, rowOf } from '../database/index.ts';
import { EntitlementOverride } from './entitlement-override.entity.ts';
import { asPayer, findPayer, type Payer } from './payer.ts';
import { Plan } from './plan.entity.ts';
import { Subscription } from './subscription.entity.ts';
import { SubscriptionItem } from './subscription-item.entity.ts';

/** All of a payer that decides on what is allowed, as read once. */
export interface BillingSnapshot {
  readonly payer: Payer;
  /** Whether the provider has told us of the whole: by a part the payer would seem to have no more than that. */
  readonly isMirrored: boolean;
  readonly subscription: Row<Subscription> | null;
  readonly items: readonly Row<SubscriptionItem>[];
  readonly overrides: readonly Row<EntitlementOverride>[];
  /** Of the plans of these items, as the provider has them; by slug. */
  readonly features: ReadonlyMap<string, readonly string[]>;
}

/** Whether all is known that the provider has of a payer, so that nothing else is. */
export function isWhole({
  subscription,
  items,
}: {
  subscription: { isRead: boolean } | null;
  items: readonly unknown[];
}) {
  return subscription !== null && (subscription.isRead || items.length > 0);
}

/** By Clerk's id of the tenant or user; undefined: there is none here. */
export async function loadBilling(em: EntityManager, clerkId: string): Promise<BillingSnapshot | undefined> {
  const payer = await findPayer(em, clerkId);
  if (!payer) return undefined;
  const loaded = await asPayer(em, payer, async (own) => ({
    subscription: await own.findOne(Subscription, {}),
    items: await own.find(SubscriptionItem, {}),
    overrides: await own.find(EntitlementOverride, {}),
  }));
  const slugs = loaded.items.flatMap(({ plan }) => plan ?? []);
  const plans =
    slugs.length === 0
      ? []
      : await em.find(Plan, { slug: { $in: slugs }, payer: payer.kind }, { orderBy: { retiredAt: 'asc nulls last' } });
  return Object.freeze({
    payer: Object.freeze(payer),
    isMirrored: isWhole(loaded),
    subscription: loaded.subscription && rowOf(loaded.subscription),
    items: Object.freeze(loaded.items.map((item) => rowOf(item))),
    overrides: Object.freeze(loaded.overrides.map((override) => rowOf(override))),
    features: new Map(plans.map(({ slug, features }) => [slug, Object.freeze([...features])])),
  });
}
