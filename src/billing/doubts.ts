import type { EntityManager } from '@mikro-orm/postgresql';
import type { NamedPayer } from './payer.ts';

/** By then a call to the provider has ended, whatever became of it. */
export const CALL_S = 15;

/**
 * Has the payer's subscription read again from the provider, once this transaction has committed; or so much later, and not
 * before, since a call is under way.
 */
export async function askAgain(
  em: EntityManager,
  { kind, clerkId }: NamedPayer,
  reason: string,
  { afterS } = { afterS: 0 },
): Promise<void> {
  await em.execute(
    `insert into billing_rereads as stored (clerk_id, kind, reason, not_before)
     values (?, ?, ?, now() + make_interval(secs => ?))
     on conflict (clerk_id) do update set reason = excluded.reason, doubt_id = excluded.doubt_id, can_wait = false,
       attempts = 0, not_before = case when excluded.not_before > now() then excluded.not_before
         when stored.attempts = 0 then stored.not_before
         else least(stored.not_before, excluded.not_before) end`,
    [clerkId, kind, reason, afterS],
  );
}

/** As `askAgain`, once for each payer: whom the provider does not know is not asked for again until something is told. */
export async function askOnce(em: EntityManager, { kind, clerkId }: NamedPayer): Promise<void> {
  await em.execute(
    `with sooner as (update billing_rereads set can_wait = false where clerk_id = ? and can_wait)
     insert into billing_rereads (clerk_id, kind, reason) values (?, ?, 'never told of') on conflict do nothing`,
    [clerkId, clerkId, kind],
  );
}

/** Has all read again who may pay for something, after whatever is in doubt. Answers how many they are. */
export async function askForAll(em: EntityManager): Promise<number> {
  let asked = 0;
  for (const [table, kind] of Object.entries(PAYERS)) {
    let last = '';
    for (let count = AT_ONCE; count === AT_ONCE; asked += count) {
      const [row] = await em.execute<{ count: number; last: string }[]>(askForSome(table), [kind, kind, last, AT_ONCE]);
      ({ count, last } = row as { count: number; last: string });
    }
  }
  return asked;
}

const PAYERS = { tenants: 'tenant', users: 'user' };

/** What a statement writes well within the time that it may take. */
const AT_ONCE = 10_000;

/** The next ones by Clerk's id, of a kind for which a plan costs something, or did. */
const askForSome = (table: string) => `
with payers as (
  select clerk_id, cast(? as text) as kind from ${table}
  where deleted_at is null and exists (select from plans where payer = ? and (amount > 0 or annual_amount > 0))
    and clerk_id > ?
  order by clerk_id limit ?
), asked as (
  insert into billing_rereads as stored (clerk_id, kind, reason, can_wait)
  select clerk_id, kind, 'a reconciliation', true from payers
  on conflict (clerk_id) do update set doubt_id = excluded.doubt_id, reason = excluded.reason, can_wait = true,
    attempts = 0, not_before = now()
  where stored.not_before = 'infinity'
) select count(*)::int as count, max(clerk_id) as last from payers`;
