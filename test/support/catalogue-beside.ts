import type { TestDatabase } from './database.ts';

interface Named {
  name: string;
}
type Over = Named & { kept: boolean; tables: string[] };

const VIEWS = `
select oid::regclass::text as name from pg_class
where relkind = 'v' and not coalesce(reloptions @> '{security_invoker=true}' or reloptions @> '{security_invoker=on}', false)
  and relnamespace not in ('pg_catalog'::regnamespace, 'information_schema'::regnamespace)`;

/** Views with what they are over, by way of other views too, and whether they keep its rows. */
const OVER = `
with recursive over (view, at) as (
  select distinct ev_class, refobjid from pg_rewrite r join pg_depend d on d.classid = 'pg_rewrite'::regclass and d.objid = r.oid
  where d.refclassid = 'pg_class'::regclass and refobjid <> ev_class
  union
  select over.view, further.refobjid from over join pg_rewrite r on r.ev_class = over.at
    join pg_depend further on further.classid = 'pg_rewrite'::regclass and further.objid = r.oid
  where further.refclassid = 'pg_class'::regclass and further.refobjid <> r.ev_class
)
select view::regclass::text as name, relkind = 'm' as kept, json_agg(at::regclass::text order by at::regclass::text) as tables
from over join pg_class c on c.oid = view group by view, relkind`;

const DEFINERS = `
select oid::regprocedure::text as name, concat(prosrc, pg_get_function_sqlbody(oid)) as body from pg_proc
where prosecdef and pronamespace not in ('pg_catalog'::regnamespace, 'information_schema'::regnamespace)`;

/** What stands beside the scoped tables, and would show their rows with the rights of its owner. */
export async function faultsBeside(database: TestDatabase, scoped: string[]): Promise<string[]> {
  const [views, over, definers] = await Promise.all([
    database.query<Named>(VIEWS),
    database.query<Over>(OVER),
    database.query<Named & { body: string }>(DEFINERS),
  ]);
  return [
    ...views.map(({ name }) => `${name}: is a view without security_invoker`),
    ...scoped.flatMap((table) => {
      const above = over.filter(({ tables }) => tables.includes(table));
      const names = [table, ...above.map(({ name }) => name)];
      return [
        ...above.filter(({ kept }) => kept).map(({ name }) => `${table}: ${name} keeps its rows, without policy`),
        ...definers
          .filter(({ body }) => names.some((name) => mentions(body, name)))
          .map(({ name }) => `${table}: ${name} acts on it as its owner`),
      ];
    }),
  ];
}

/** By its name alone: a function may find the schema by itself. */
function mentions(body: string, name: string): boolean {
  const bare = name.replace(/^.*\./, '').replaceAll('"', '');
  return new RegExp(`\\b${bare}\\b`, 'i').test(body);
}
