import type { EntitlementList, SubscriptionView, UsageList } from './billing.schemas.ts';
import type { Entitled } from './entitled.ts';
import { SEATS } from './entitlement-book.ts';
import type { Payer } from './payer.ts';
import type { UsageReading } from './usage-reading.ts';

export function toSubscriptionView({ kind }: Payer, { plan, standing, seats }: Entitled): SubscriptionView {
  const { item, hasAccess, pastDueAt } = standing;
  return {
    payer: kind,
    plan: item?.plan ?? plan,
    status: item?.status ?? 'none',
    access: hasAccess,
    period: item?.period ?? null,
    currentPeriodEnd: item?.periodEnd ?? null,
    trialEndsAt: item?.isTrial ? item.periodEnd : null,
    pastDueAt,
    canceledAt: item?.canceledAt ?? null,
    seats: kind === 'tenant' ? seats : null,
  };
}

export function toEntitlementList({ plan, entitlements }: Entitled, readings: UsageReading[]): EntitlementList {
  const byMeter = new Map(readings.map((reading) => [reading.meter, reading]));
  const data = [...entitlements.values()]
    .filter(({ feature }) => feature !== SEATS)
    .map(({ feature, granted, reason, limit = null }) => {
      const { used = null, left = null, resetsAt = null } = byMeter.get(feature) ?? {};
      return { feature, granted, reason, limit, used, left, resetsAt };
    });
  return { plan, data };
}

export function toUsageList(readings: UsageReading[]): UsageList {
  const data = readings.map(({ meter, used, limit, left, isExceeded: exceeded, periodStart, resetsAt }) => ({
    meter,
    used,
    limit,
    left,
    exceeded,
    periodStart: resetsAt && periodStart,
    resetsAt,
  }));
  return { data };
}
