import type { PayerReport } from '../billing/index.ts';
import { sentenceOfOverride } from './billing-override.ts';
import { printTable } from './table.ts';

/** For people, or one JSON object. */
export function showReport(report: PayerReport, json: boolean): void {
  if (json) return console.log(JSON.stringify(report));
  showSubscription(report);
  if (!report.isMirrored)
    console.log(
      '\nNot mirrored: Clerk has not told of the whole subscription. Of plans and features the claims of tokens count.',
    );
  showItems(report);
  showPayments(report);
  showOverrides(report);
  showEntitlements(report);
}

function showSubscription({ payer, subscription }: PayerReport): void {
  const { status, plan, access, accessUntil, period, currentPeriodEnd, trialEndsAt, ...rest } = subscription;
  const facts = {
    payer: `${payer.kind} ${payer.clerkId} (${payer.id})`,
    status,
    plan,
    access: access ? `yes, ${accessUntil ? `until ${timeOf(accessUntil)}` : 'until something else is said'}` : 'no',
    period,
    'period end': timeOf(currentPeriodEnd),
    'trial end': timeOf(trialEndsAt),
    canceled: timeOf(rest.canceledAt),
    'past due': rest.pastDueAt && `since ${timeOf(rest.pastDueAt)}, grace until ${timeOf(rest.graceUntil)}`,
    seats: payer.kind === 'tenant' ? (rest.seats ?? 'no limit') : null,
  };
  for (const [name, value] of Object.entries(facts)) if (value) console.log(`${name.padEnd(12)} ${value}`);
}

function showItems({ items }: PayerReport): void {
  if (items.length === 0) return;
  console.log();
  printTable(
    ['ITEM', 'PLAN', 'STATUS', 'TRIAL', 'PERIOD', 'FROM', 'TO', 'SEATS'],
    items.map((item) => [
      item.providerId,
      item.plan ?? '',
      item.status,
      item.isTrial ? 'yes' : '',
      item.period ?? '',
      timeOf(item.periodStart),
      timeOf(item.endedAt ?? item.periodEnd),
      textOf(item.seats),
    ]),
  );
}

function showPayments({ payments }: PayerReport): void {
  if (payments.length === 0) return;
  console.log();
  printTable(
    ['PAYMENT', 'STATUS', 'TYPE', 'AMOUNT', 'CURRENCY', 'AT', 'FAILURE'],
    payments.map(({ providerId, status, type, amount, currency, paidAt, failedAt, failure }) => [
      providerId,
      status,
      type ?? '',
      textOf(amount),
      currency ?? '',
      timeOf(paidAt ?? failedAt),
      failure ?? '',
    ]),
  );
}

/** Not as a table, whose cells are cut off: the reason counts. */
function showOverrides({ overrides }: PayerReport): void {
  if (overrides.length > 0) console.log('\nOVERRIDES');
  for (const override of overrides) {
    const isOver = override.endsAt !== null && override.endsAt.getTime() <= Date.now();
    console.log(`${sentenceOfOverride(override)}${isOver ? ' (over)' : ''}: ${override.reason}`);
  }
}

function showEntitlements({ entitlements }: PayerReport): void {
  console.log();
  printTable(
    ['FEATURE', 'GRANTED', 'REASON', 'LIMIT', 'USED', 'LEFT', 'RESETS'],
    entitlements.map(({ feature, granted, reason, limit, used, left, resetsAt }) => [
      feature,
      granted ? 'yes' : 'no',
      reason,
      used !== null && limit === null ? 'no limit' : textOf(limit),
      textOf(used),
      textOf(left),
      timeOf(resetsAt),
    ]),
  );
}

function timeOf(date: Date | null | undefined): string {
  return date?.toISOString() ?? '';
}

function textOf(value: number | null | undefined): string {
  return value == null ? '' : String(value);
}
