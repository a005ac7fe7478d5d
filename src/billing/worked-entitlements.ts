import type { Claimed, Counted } from '../auth/index.ts';
import type { BillingSnapshot } from './billing-snapshot.ts';
import { type Entitled, entitledOf } from './entitled.ts';
import type { EntitlementBook } from './entitlement-book.ts';
import { changesAt } from './standing.ts';

const NOTHING: Claimed = { plans: [], features: [] };

/** What follows from a snapshot, between these times in milliseconds. */
interface Worked {
  readonly entitled: Entitled;
  /** Of who is mirrored. */
  readonly own: Counted;
  readonly from: number;
  readonly until: number;
}

/** What payers are entitled to, worked out once for a snapshot, until the clock makes it otherwise. */
export class WorkedEntitlements {
  readonly #known = new WeakMap<BillingSnapshot, Worked>();
  readonly #book: EntitlementBook;
  readonly #graceMs: number;

  constructor(book: EntitlementBook, graceMs: number) {
    this.#book = book;
    this.#graceMs = graceMs;
  }

  of(snapshot: BillingSnapshot): Worked {
    const [known, from] = [this.#known.get(snapshot), Date.now()];
    if (known && known.from <= from && from < known.until) return known;
    const now = new Date(from);
    const entitled = entitledOf(snapshot, { book: this.#book, now, graceMs: this.#graceMs });
    const own = countedOf(entitled, snapshot, NOTHING);
    const worked = { entitled, own, from, until: changesAt(snapshot, now, this.#graceMs) };
    this.#known.set(snapshot, worked);
    return worked;
  }
}

/** Who is not mirrored has what the token claims; an operator's word counts for everybody. */
export function countedOf(
  { plan, entitlements }: Entitled,
  { isMirrored }: BillingSnapshot,
  claimed: Claimed,
): Counted {
  const features = new Set(isMirrored ? [] : claimed.features);
  for (const { feature, granted, reason, limit } of entitlements.values()) {
    const isMeter = limit !== undefined;
    if (isMeter || (!isMirrored && reason !== 'override')) continue;
    if (granted) features.add(feature);
    else features.delete(feature);
  }
  const overridden = [...entitlements.values()].filter(({ granted, reason }) => !granted && reason === 'override');
  const denied = overridden.map(({ feature }) => feature);
  return { plans: isMirrored ? [plan] : claimed.plans, features: [...features], isMirrored, denied };
}
