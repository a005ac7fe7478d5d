import { type EntitlementBook, METER_NAME, type MeterLimit, SEATS } from './entitlement-book.ts';

/** Throws for a book that would give what nobody meant, with what to mend. */
export function requireSound({ meters, plans }: EntitlementBook): void {
  const features = new Set(Object.values(plans).flatMap((plan) => plan.features));
  for (const meter of Object.keys(meters)) {
    refuse(!METER_NAME.test(meter), `the meter ${meter} has a name of other signs than letters, digits, _, . and -`);
    refuse(meter === SEATS || features.has(meter), `the meter ${meter} has the name of something else that plans give`);
  }
  for (const [plan, { limits = {}, seats }] of Object.entries(plans)) {
    for (const [meter, limit] of Object.entries(limits)) {
      refuse(!Object.hasOwn(meters, meter), `the plan ${plan} limits ${meter}, which is no meter`);
      refuse(!isCount(amountOf(limit)), `the plan ${plan} limits ${meter} to what is not 0 or a whole number above`);
    }
    const isNoCount = seats !== undefined && seats !== 'unlimited' && !isCount(seats);
    refuse(isNoCount, `the plan ${plan} has seats that are not 0 or a whole number above`);
  }
}

function amountOf(limit: MeterLimit | undefined): number {
  return limit === undefined || limit === 'unlimited' ? 0 : (limit.hard ?? limit.soft);
}

function isCount(amount: number): boolean {
  return Number.isSafeInteger(amount) && amount >= 0;
}

function refuse(isWrong: boolean, what: string): void {
  if (isWrong) throw new Error(`src/entitlements.ts: ${what}`);
}
