import type { BillingSnapshot } from './billing-snapshot.ts';
import { type EntitlementBook, type MeterLimit, SEATS } from './entitlement-book.ts';
import { type Standing, standingOf } from './standing.ts';
import { UNLIMITED_SEATS } from './subscription-item.entity.ts';

type Reason = 'plan' | 'override' | 'grace' | 'none';

/** Whether a feature, or a meter and how much of it, is allowed, and why. */
interface Entitlement {
  readonly feature: string;
  readonly granted: boolean;
  readonly reason: Reason;
  /** Of a meter, null: no limit; of what is none undefined. */
  readonly limit?: number | null;
  readonly isHard?: boolean;
}

/** What a payer is allowed at a moment. */
export interface Entitled {
  /** By its slug: of who has access by none, the default one. */
  readonly plan: string;
  readonly standing: Standing;
  readonly seats: number | null;
  readonly entitlements: ReadonlyMap<string, Entitlement>;
}

interface Terms {
  book: EntitlementBook;
  now: Date;
  graceMs: number;
}

/** What the plan of the book gives, else the features that the provider lists; and what an operator changed. */
export function entitledOf(snapshot: BillingSnapshot, { book, now, graceMs }: Terms): Entitled {
  const defaultPlan = book.defaults[snapshot.payer.kind];
  const standing = standingOf(snapshot, defaultPlan, now, graceMs);
  const giving = standing.hasAccess && standing.item?.plan ? standing.item : null;
  const plan = giving?.plan ?? defaultPlan;
  const given = givenBy(plan, { snapshot, book, reason: standing.isGrace && plan !== defaultPlan ? 'grace' : 'plan' });
  for (const { feature, isGranted: granted, limit, endsAt } of snapshot.overrides) {
    if (endsAt && endsAt <= now) continue;
    const isMetered = Object.hasOwn(book.meters, feature) || feature === SEATS;
    const isHard = !granted || (given.get(feature)?.isHard ?? true);
    const metered = isMetered && { limit: granted ? limit : 0, isHard };
    given.set(feature, { feature, granted, reason: 'override', ...metered });
  }
  const said = snapshot.isMirrored ? (giving?.seats ?? book.plans[plan]?.seats ?? 'unlimited') : 'unlimited';
  return { plan, standing, seats: seatsOf(given.get(SEATS), said), entitlements: given };
}

function givenBy(
  plan: string,
  { snapshot, book, reason }: { snapshot: BillingSnapshot; book: EntitlementBook; reason: Reason },
): Map<string, Entitlement> {
  const own = Object.hasOwn(book.plans, plan) ? book.plans[plan] : undefined;
  const features = own?.features ?? snapshot.features.get(plan) ?? [];
  const known = Object.values(book.plans).flatMap((each) => each.features);
  const all = [
    ...known.map((feature) => notGiven(feature)),
    ...features.map((feature) => ({ feature, granted: true, reason })),
  ];
  const meters = Object.keys(book.meters).map((meter) => meterOf(meter, own?.limits?.[meter], reason));
  return new Map([...all, ...meters].map((each) => [each.feature, each]));
}

const notGiven = (feature: string): Entitlement => ({ feature, granted: false, reason: 'none' });

function meterOf(feature: string, limit: MeterLimit | undefined, reason: Reason): Entitlement {
  if (limit === undefined) return { ...notGiven(feature), limit: 0, isHard: true };
  if (limit === 'unlimited') return { feature, granted: true, reason, limit: null, isHard: true };
  return limit.hard === undefined
    ? { feature, granted: true, reason, limit: limit.soft, isHard: false }
    : { feature, granted: true, reason, limit: limit.hard, isHard: true };
}

/** An override of `seats`, else what was said of them; null: no limit. */
function seatsOf(override: Entitlement | undefined, said: number | 'unlimited'): number | null {
  if (override) return override.granted ? (override.limit ?? null) : 0;
  return said === 'unlimited' || said === UNLIMITED_SEATS ? null : said;
}
