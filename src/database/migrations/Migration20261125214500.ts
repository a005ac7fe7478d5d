import { Migration } from '@mikro-orm/migrations';

/**
 * What all the functions have: the rights of who calls. Their names say the schema, and do not depend on the caller's path: to
 * set one here would cost more than what they do.
 */
const SAFELY = 'language plpgsql security invoker';

/**
 * For those that look for reservations: a plan is made once, when there are hardly any, and would read all the rows of them from
 * then on, with the dead ones.
 */
const BY_INDEX = 'set enable_seqscan = off';

/** Sets whose rows are seen until the end of the transaction, and answers what was set. */
const ENTER_SCOPE = `create function enter_scope(tenant text, person text) returns text[] ${SAFELY} as $$
declare
  before text[] := array[coalesce(current_setting('app.tenant_id', true), ''), coalesce(current_setting('app.user_id', true), '')];
begin
  perform set_config('app.tenant_id', tenant, true), set_config('app.user_id', person, true);
  return before;
end $$`;

const ENTER_OWNER = `create function enter_owner(owner uuid, kind text) returns text[] ${SAFELY} as $$
begin
  if kind = 'tenant' then return public.enter_scope(owner::text, ''); end if;
  return public.enter_scope('', owner::text);
end $$`;

/**
 * Counts amounts in their order, as far as they fit under \`most\`; null: all do. A key that was counted before is granted
 * and not counted; \`granted\` is null where that was another amount. With \`hold\` they are reserved for so long, by their
 * ids; else they are final. The ids are of rows of several tables, with one for each amount.
 *
 * What is only held need not be on the disk when it is answered: whoever confirms it flushes more of the log than this, and
 * if the server crashes before, nothing was done. Only in a transaction of its own: with a caller's, that would be lost too.
 */
const TAKE = `create function take_usage(
  owner uuid, kind text, counted text, since timestamptz, most bigint,
  amounts bigint[], keys text[], ids uuid[], hold interval
) returns table (used bigint, granted boolean[]) ${SAFELY} ${BY_INDEX} as $$
declare
  before text[] := public.enter_owner(owner, kind);
  moment timestamptz := clock_timestamp();
  stood bigint;
  lapses timestamptz;
  lapsed bigint;
  has_looked boolean := false;
  is_same boolean;
begin
  if hold is not null then perform set_config('synchronous_commit', 'off', true); end if;

  select u.used, u.lapses_at into stood, lapses from public.usage u
  where u.owner_id = owner and u.meter = counted and u.period_start = since for update;
  if not found then
    insert into public.usage (id, owner_id, meter, period_start, lapses_at) values (ids[1], owner, counted, since, moment) on conflict do nothing;
    select u.used, u.lapses_at into stood, lapses from public.usage u
    where u.owner_id = owner and u.meter = counted and u.period_start = since for update;
    if not found then raise exception 'the usage was counted first by another' using errcode = 'serialization_failure'; end if;
  end if;
  used := stood;

  -- what is reserved is looked at once in the time that it is held for, and when a period begins: what those before have left
  -- counts nowhere any more
  if lapses <= moment then
    -- one that is being confirmed is locked: it is neither waited for nor lapsed
    with over as materialized (
      select r.id from public.usage_reservations r
      where r.owner_id = owner and r.meter = counted and r.period_start <= since and r.expires_at <= moment
      for update skip locked
    ), gone as (
      delete from public.usage_reservations r using over where r.id = over.id returning r.amount, r.period_start
    ) select coalesce(sum(amount), 0) into lapsed from gone where period_start = since;
    used := greatest(0, stood - lapsed);
    select min(r.expires_at) into lapses from public.usage_reservations r
    where r.owner_id = owner and r.meter = counted and r.period_start = since;
    has_looked := true;
  end if;

  for i in 1 .. cardinality(amounts) loop
    if keys[i] is not null then
      select k.amount = amounts[i] into is_same from public.usage_keys k
      where k.owner_id = owner and k.meter = counted and k.key = keys[i];
      if found then
        granted[i] := nullif(is_same, false);
        continue;
      end if;
    end if;
    granted[i] := most is null or used + amounts[i] <= most;
    continue when not granted[i];
    if keys[i] is not null then
      insert into public.usage_keys (id, owner_id, meter, key, amount, period_start)
      values (ids[i], owner, counted, keys[i], amounts[i], since) on conflict do nothing;
      -- counted meanwhile, in another period
      continue when not found;
    end if;
    used := used + amounts[i];
  end loop;

  if hold is not null then
    insert into public.usage_reservations (id, owner_id, meter, period_start, amount, expires_at)
    select ids[i], owner, counted, since, amounts[i], moment + hold
    from generate_subscripts(granted, 1) i where granted[i];
    lapses := least(lapses, moment + hold);
  end if;
  if used <> stood or has_looked then
    update public.usage u set used = take_usage.used, lapses_at = lapses
    where u.owner_id = owner and u.meter = counted and u.period_start = since;
  end if;
  if num_nonnulls(variadic keys) > 0 then
    -- as an array: of a list the plan may be to look for each key in it
    delete from public.usage_keys k where k.owner_id = owner and k.id = any(array(
      select o.id from public.usage_keys o
      where o.owner_id = owner and o.meter = counted and o.at < moment - interval '35 days'
      order by o.at limit greatest(10, 2 * cardinality(amounts)) for update skip locked));
  end if;
  perform public.enter_scope(before[1], before[2]);
  return next;
end $$`;

/** Makes a reservation final: true. False: it has lapsed. Null: the transaction is to have written, and has not. */
const CONFIRM = `create function confirm_usage(owner uuid, kind text, reservation uuid, if_written boolean) returns boolean ${SAFELY} ${BY_INDEX} as $$
declare
  before text[];
  confirmed boolean;
begin
  if if_written and pg_current_xact_id_if_assigned() is null then return null; end if;
  before := public.enter_owner(owner, kind);
  delete from public.usage_reservations r where r.owner_id = owner and r.id = reservation;
  confirmed := found;
  perform public.enter_scope(before[1], before[2]);
  return confirmed;
end $$`;

/**
 * Takes a reservation back, if it is there: waits for a transaction that confirms it, and does nothing once that commits.
 * It need not be on the disk when it is answered, since the reservation lapses.
 */
const RELEASE = `create function release_usage(owner uuid, kind text, reservation uuid) returns void ${SAFELY} ${BY_INDEX} as $$
declare
  before text[] := public.enter_owner(owner, kind);
  held public.usage_reservations;
begin
  perform set_config('synchronous_commit', 'off', true);
  delete from public.usage_reservations r where r.owner_id = owner and r.id = reservation returning r.* into held;
  if found then
    update public.usage u set used = greatest(0, u.used - held.amount)
    where u.owner_id = owner and u.meter = held.meter and u.period_start = held.period_start;
  end if;
  perform public.enter_scope(before[1], before[2]);
end $$`;

/**
 * Takes back what is final, and nothing of what is reserved: with a key no more than was counted under it, where it was
 * counted, and once.
 */
const GIVE_BACK = `create function give_back_usage(owner uuid, kind text, counted text, since timestamptz, amount bigint, its_key text) returns void ${SAFELY} ${BY_INDEX} as $$
declare
  before text[] := public.enter_owner(owner, kind);
  under public.usage_keys;
begin
  if its_key is not null then
    select k.period_start into since from public.usage_keys k where k.owner_id = owner and k.meter = counted and k.key = its_key;
    -- in the order in which it is counted: the counter, then its keys
    perform from public.usage u where u.owner_id = owner and u.meter = counted and u.period_start = since for update;
    delete from public.usage_keys k
    where k.owner_id = owner and k.meter = counted and k.key = its_key and k.period_start = since returning k.* into under;
    amount := least(amount, under.amount);
    if not found then since := null; end if;
  end if;
  -- locked before the reservations are summed up, which are made under this lock
  perform from public.usage u where u.owner_id = owner and u.meter = counted and u.period_start = since for update;
  update public.usage u set used = least(u.used, greatest(u.used - give_back_usage.amount, (
    select coalesce(sum(r.amount), 0) from public.usage_reservations r
    where r.owner_id = owner and r.meter = counted and r.period_start = since
  ))) where u.owner_id = owner and u.meter = counted and u.period_start = since;
  perform public.enter_scope(before[1], before[2]);
end $$`;

/** What counts now: less what has lapsed, which nobody has taken back yet. */
const READ = `create function read_usage(owner uuid, kind text, counted text, since timestamptz) returns bigint ${SAFELY} ${BY_INDEX} as $$
declare
  before text[] := public.enter_owner(owner, kind);
  stands bigint;
begin
  select greatest(0, u.used - (
    select coalesce(sum(r.amount), 0) from public.usage_reservations r
    where r.owner_id = owner and r.meter = counted and r.period_start = since and r.expires_at <= clock_timestamp()
  )) into stands from public.usage u where u.owner_id = owner and u.meter = counted and u.period_start = since;
  perform public.enter_scope(before[1], before[2]);
  return coalesce(stands, 0);
end $$`;

/** In the order in which they are made. */
const FUNCTIONS: [name: string, definition: string][] = [
  ['enter_scope', ENTER_SCOPE],
  ['enter_owner', ENTER_OWNER],
  ['take_usage', TAKE],
  ['confirm_usage', CONFIRM],
  ['release_usage', RELEASE],
  ['give_back_usage', GIVE_BACK],
  ['read_usage', READ],
];

/** Usage is counted in the database, where all who count take turns. */
export class Migration20261125214500 extends Migration {
  override name = 'Migration20261125214500';

  override up(): void {
    for (const [, definition] of FUNCTIONS) this.addSql(`${definition};`);
  }

  override down(): void {
    for (const [name] of FUNCTIONS.toReversed()) this.addSql(`drop function if exists ${name};`);
  }
}
