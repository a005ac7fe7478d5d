import { accessEndOf } from './access.ts';
import type { EntitlementList, SubscriptionView } from './billing.schemas.ts';
import type { BillingSnapshot } from './billing-snapshot.ts';
import { toEntitlementList, toSubscriptionView } from './billing-views.ts';
import type { Entitled } from './entitled.ts';
import type { Override } from './overrides.service.ts';
import type { Payer } from './payer.ts';
import type { PaymentAttempt } from './payment-attempt.entity.ts';
import { termsOf } from './standing.ts';
import type { SubscriptionItem } from './subscription-item.entity.ts';
import type { UsageReading } from './usage-reading.ts';

/** How a payer stands, for an operator. */
export interface PayerReport {
  readonly payer: Payer;
  /** Whether the provider has told us of the whole; where not, the claims of tokens count. */
  readonly isMirrored: boolean;
  readonly subscription: SubscriptionView & {
    /** Null: until something else is said, or there is no access. */
    accessUntil: Date | null;
    /** Null: it is not past due. */
    graceUntil: Date | null;
  };
  readonly items: Pick<SubscriptionItem, (typeof OF_ITEM)[number]>[];
  readonly payments: Pick<PaymentAttempt, (typeof OF_PAYMENT)[number]>[];
  /** Those too that have ended. */
  readonly overrides: Override[];
  readonly entitlements: EntitlementList['data'];
}

const OF_ITEM = [
  'providerId',
  'plan',
  'status',
  'isTrial',
  'period',
  'periodStart',
  'periodEnd',
  'canceledAt',
  'pastDueAt',
  'endedAt',
  'seats',
] as const;
const OF_PAYMENT = ['providerId', 'status', 'type', 'amount', 'currency', 'failure', 'paidAt', 'failedAt'] as const;
const OF_OVERRIDE = ['feature', 'isGranted', 'limit', 'endsAt', 'reason'] as const;

interface Others {
  payments: PaymentAttempt[];
  readings: UsageReading[];
  graceMs: number;
}

export function reportOf(
  snapshot: BillingSnapshot,
  entitled: Entitled,
  { payments, readings, graceMs }: Others,
): PayerReport {
  const { payer, isMirrored, items, overrides } = snapshot;
  return {
    payer,
    isMirrored,
    subscription: { ...toSubscriptionView(payer, entitled), ...endsOf(snapshot, entitled, graceMs) },
    items: items.toSorted(byStart).map((item) => only(item, OF_ITEM)),
    payments: payments.map((payment) => only(payment, OF_PAYMENT)),
    overrides: overrides.map((override) => only(override, OF_OVERRIDE)),
    entitlements: toEntitlementList(entitled, readings).data,
  };
}

function endsOf(snapshot: BillingSnapshot, { standing: { item, hasAccess } }: Entitled, graceMs: number) {
  const end = item && accessEndOf(item, termsOf(snapshot, graceMs));
  const until = end instanceof Date ? end : null;
  return { accessUntil: hasAccess ? until : null, graceUntil: item?.status === 'past_due' ? until : null };
}

/** The latest first. */
function byStart(one: Pick<SubscriptionItem, 'periodStart'>, other: Pick<SubscriptionItem, 'periodStart'>): number {
  return (other.periodStart?.getTime() ?? 0) - (one.periodStart?.getTime() ?? 0);
}

function only<T extends object, Name extends keyof T>(row: T, names: readonly Name[]): Pick<T, Name> {
  return Object.fromEntries(names.map((name) => [name, row[name]])) as Pick<T, Name>;
}
