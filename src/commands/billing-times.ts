import { z } from 'zod';
import { UsageError } from './usage-error.ts';

/** As Clerk has it. */
const MAX_DAYS = 365;
const UNITS_MS = { m: 60_000, h: 3_600_000, d: 86_400_000 };

const Day = z.iso.date();
const Moment = z.iso.datetime({ offset: true });

interface Ends {
  until?: string | undefined;
  for?: string | undefined;
  'no-end'?: boolean | undefined;
}

/** When an override ends; null: it does not. Throws a UsageError. */
export function endOf({ until, for: duration, 'no-end': isEndless }: Ends): Date | null {
  if ([until, duration, isEndless].filter((each) => each !== undefined).length !== 1)
    throw new UsageError('Say until when: one of --until DATE, --for 30d, --no-end.');
  if (until !== undefined) return dateOf(until);
  return duration === undefined ? null : afterNow(duration);
}

/** To when a trial goes on, or by how many days. Throws a UsageError. */
export function extensionOf({ until, days }: { until?: string | undefined; days?: string | undefined }): Date | number {
  if ((until === undefined) === (days === undefined))
    throw new UsageError('Say until when: either --until DATE or --days N.');
  if (until !== undefined) return dateOf(until);
  if (!/^[1-9]\d{0,2}$/.test(days ?? '') || Number(days) > MAX_DAYS)
    throw new UsageError(`--days takes a whole number from 1 to ${MAX_DAYS}.`);
  return Number(days);
}

function dateOf(text: string): Date {
  if (!Day.safeParse(text).success && !Moment.safeParse(text).success)
    throw new UsageError('--until takes a day or a time such as 2026-01-31 or 2026-01-31T12:00:00Z.');
  const date = new Date(text);
  if (date.getTime() <= Date.now()) throw new UsageError('--until takes a time that is still to come.');
  return date;
}

function afterNow(text: string): Date {
  const [, amount, unit] = /^([1-9]\d{0,5})([mhd])$/.exec(text) ?? [];
  if (!unit) throw new UsageError('--for takes 90m, 12h, 30d.');
  return new Date(Date.now() + Number(amount) * UNITS_MS[unit as keyof typeof UNITS_MS]);
}
