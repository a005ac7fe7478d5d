import type { Rows } from './truth.ts';

/** What is wrong with a table, row by row. */
export interface Differences {
  lost: string[];
  doubled: string[];
  wrong: string[];
}

export interface Row {
  key: string;
  value: unknown;
}

const ms = (column: string) => `(extract(epoch from ${column}) * 1000)::bigint`;

/** An effect that is not there yet is the job that will have it: one or the other, and once. */
export const TABLES = {
  inbox: `
    select id as key, json_build_array(type, status, object_id, user_id, event_at, error) as value from inbox`,
  users: `
    select clerk_id as key, json_build_array(external_id, email, name, image_url, ${ms('banned_at')}, ${ms('locked_at')},
             ${ms('deprovisioned_at')}, ${ms('deleted_at')}, clerk_updated_at, clerk_event_id) as value from users`,
  revocations: `
    select kind || ' ' || clerk_id as key, json_build_array(not_before, exists (
             select from changes where topic = 'revocation' and changes.key = concat_ws(' ', kind, clerk_id, coalesce(not_before::text, '')))
           ) as value from revocations`,
  effects: `
    select event_id as key, '' as value from drill_effects
    union all
    select data ->> 'eventId', '' from pgboss.job
    where name like 'clerk.%' and state in ('created', 'retry', 'active')`,
};

export function differences(expected: Rows, actual: Row[]): Differences {
  const found = new Map(actual.map(({ key, value }) => [key, JSON.stringify(value)]));
  const seen = new Set<string>();
  return {
    lost: [...expected.keys()].filter((key) => !found.has(key)),
    doubled: actual.map(({ key }) => key).filter((key) => seen.has(key) || !seen.add(key)),
    wrong: [...found.keys()]
      .filter((key) => found.get(key) !== expected.get(key))
      .map((key) => `${key}: ${found.get(key)}, not ${expected.get(key)}`),
  };
}
