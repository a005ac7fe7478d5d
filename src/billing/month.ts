export interface Month {
  readonly start: Date;
  readonly end: Date;
}

const EPOCH = new Date(0);

/**
 * The month that `now` is in, from its start to just before its end, in UTC. Months begin on the day and at the time of the
 * anchor, or on the last day of those that are too short for it; without an anchor they are those of the calendar.
 */
export function monthOf(anchor: Date | null, now: Date): Month {
  const from = anchor ?? EPOCH;
  const months = (now.getUTCFullYear() - from.getUTCFullYear()) * 12 + now.getUTCMonth() - from.getUTCMonth();
  // it begins in the calendar month of now, and maybe only after now
  const begun = monthsAfter(from, months) <= now ? months : months - 1;
  return { start: monthsAfter(from, begun), end: monthsAfter(from, begun + 1) };
}

/** Counted from the anchor and not from the month before, which may have been shorter. */
function monthsAfter(anchor: Date, months: number): Date {
  const [year, month] = [anchor.getUTCFullYear(), anchor.getUTCMonth() + months];
  const lastDay = new Date(Date.UTC(year, month + 1, 0)).getUTCDate();
  const day = Math.min(anchor.getUTCDate(), lastDay);
  const time = anchor.getTime() - Date.UTC(year, anchor.getUTCMonth(), anchor.getUTCDate());
  return new Date(Date.UTC(year, month, day) + time);
}
