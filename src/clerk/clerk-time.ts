/** A time that is further ahead of the database's clock than this counts as the time of receipt. */
const MAX_AHEAD_MS = 5 * 60_000;
/** Below this a time of Clerk's is in seconds. */
const SECONDS_BELOW = 10 ** 11;

/** A time of Clerk's in milliseconds: some events have seconds. */
export function inMilliseconds(time: number): number {
  return time < SECONDS_BELOW ? time * 1000 : time;
}

/** SQL for what a time of Clerk's (an expression, bigint) counts as, in milliseconds. */
export function clerkTimeSql(said: string): string {
  return `(
    select case when ms > now_ms + ${MAX_AHEAD_MS} then now_ms else ms end
    from (select case when ${said} < ${SECONDS_BELOW} then ${said} * 1000 else ${said} end as ms,
                 (extract(epoch from clock_timestamp()) * 1000)::bigint as now_ms) as clerk_time)`;
}
