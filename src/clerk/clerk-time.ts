/** A time that is further ahead than this counts as the time of receipt. */
const MAX_AHEAD_MS = 5 * 60_000;
/** Below this a time of Clerk's is in seconds. */
const SECONDS_BELOW = 10 ** 11;

/** A time of Clerk's, which is in seconds here and there, in milliseconds. */
export function millisecondsOf(time: number): number {
  return time < SECONDS_BELOW ? time * 1000 : time;
}

/** What a time of Clerk's in an event counts as, in milliseconds: the same, however late the event is dealt with. */
export function inMilliseconds(time: number, receivedAt: Date): number {
  const ms = millisecondsOf(time);
  return ms > receivedAt.getTime() + MAX_AHEAD_MS ? receivedAt.getTime() : ms;
}

/** SQL for what a time of Clerk's (an expression, bigint) counts as by the database's clock, in milliseconds. */
export function clerkTimeSql(said: string): string {
  return `(
    select case when ms > now_ms + ${MAX_AHEAD_MS} then now_ms else ms end
    from (select case when ${said} < ${SECONDS_BELOW} then ${said} * 1000 else ${said} end as ms,
                 (extract(epoch from clock_timestamp()) * 1000)::bigint as now_ms) as clerk_time)`;
}

/** A time in milliseconds as a date; null where there is none. */
export function dateOf(ms: number | null | undefined): Date | null {
  return ms ? new Date(ms) : null;
}
