import type { TestDatabase } from './database.ts';

interface Named {
  name: string;
}
type Over = Named & { tables: string[] };

const VIEWS = `
select oid::regclass::text as name from pg_class
where relkind = 'v' and not coalesce(reloptions @> '{security_invoker=true}' or reloptions @> '{security_invoker=on}', false)
  and relnamespace not in ('pg_catalog'::regnamespace, 'information_schema'::regnamespace)`;

/** With what they are over, by way of other views too. */
const MATERIALIZED = `
with recursive over (view, at) as (
  select distinct ev_class, refobjid from pg_rewrite r join pg_depend d on d.classid = 'pg_rewrite'::regclass and d.objid = r.oid
  where d.refclassid = 'pg_class'::regclass and refobjid <> ev_class
  union
  select over.view, further.refobjid from over join pg_rewrite r on r.ev_class = over.at
    join pg_depend further on further.classid = 'pg_rewrite'::regclass and further.objid = r.oid
  where further.refclassid = 'pg_class'::regclass and further.refobjid <> r.ev_class
)
select view::regclass::text as name, json_agg(at::regclass::text order by at::regclass::text) as tables
from over join pg_class c on c.oid = view where c.relkind = 'm' group by view`;

const DEFINERS = `
select oid::regprocedure::text as name, concat(prosrc, pg_get_function_sqlbody(oid)) as body from pg_proc
where prosecdef and pronamespace not in ('pg_catalog'::regnamespace, 'information_schema'::regnamespace)`;

/** What stands beside the scoped tables, and would show their rows with the rights of its owner. */
export async function faultsBeside(database: TestDatabase, scoped: string[]): Promise<string[]> {
  const [views, materialized, definers] = await Promise.all([
    database.query<Named>(VIEWS),
    database.query<Over>(MATERIALIZED),
    database.query<Named & { body: string }>(DEFINERS),
  ]);
  return [
    ...views.map(({ name }) => `${name}: is a view without security_invoker`),
    ...materialized.flatMap(({ name, tables }) =>
      scoped
        .filter((table) => tables.includes(table))
        .map((table) => `${table}: ${name} keeps its rows, without policy`),
    ),
    ...definers.flatMap(({ name, body }) =>
      scoped.filter((table) => mentions(body, table)).map((table) => `${table}: ${name} acts on it as its owner`),
    ),
  ];
}

const mentions = (body: string, table: string) => new RegExp(`\\b${table}\\b`, 'i').test(body);
