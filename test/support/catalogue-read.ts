import type { TestDatabase } from './database.ts';

export interface Policy {
  name: string;
  permissive: boolean;
  command: 'ALL' | 'SELECT' | 'INSERT' | 'UPDATE' | 'DELETE';
  roles: string[];
  using: string | null;
  check: string | null;
  /** The volatile functions that it calls. */
  volatile: string[];
}

export interface Index {
  name: string;
  /** In their order; null: an expression. */
  columns: (string | null)[];
  /** Or excludes, which tells as much of rows that are there. */
  unique: boolean;
  primary: boolean;
  partial: boolean;
}

export interface Table {
  name: string;
  /** The table that it is a partition of. */
  parent: string | null;
  forced: boolean;
  columns: Record<string, string>;
  policies: Policy[];
  indexes: Index[];
}

/** A foreign key. */
export interface Key {
  name: string;
  table: string;
  to: string;
  /** Each with what it refers to. */
  columns: [string, string][];
}

/** SQL for the schemas that are not PostgreSQL's own, nor the job library's: what stands in any of them can be granted. */
const SCHEMAS = `(select oid from pg_namespace where nspname not in ('information_schema', 'pgboss') and nspname !~ '^pg_')`;

const TABLES = `
select c.oid::regclass::text as name, (relrowsecurity and relforcerowsecurity) as forced,
  (select inhparent::regclass::text from pg_inherits where inhrelid = c.oid and c.relispartition) as parent,
  (select json_object_agg(attname, format_type(atttypid, null)) from pg_attribute
     where attrelid = c.oid and attnum > 0 and not attisdropped) as columns,
  coalesce((select json_agg(json_build_object('name', policyname, 'permissive', permissive = 'PERMISSIVE', 'command', cmd,
       'roles', p.roles, 'using', qual, 'check', with_check, 'volatile',
       (select coalesce(json_agg(distinct f.proname), '[]') from pg_policy o, pg_proc f,
          regexp_matches(concat(o.polqual, o.polwithcheck), ':(?:op)?funcid (\\d+)', 'g') as called
        where o.polrelid = c.oid and o.polname = policyname and f.oid = called[1]::oid and f.provolatile = 'v')))
     from pg_policies p where (p.schemaname, p.tablename) = (c.relnamespace::regnamespace::text, c.relname)), '[]') as policies,
  coalesce((select json_agg(json_build_object('name', indexrelid::regclass::text, 'unique', indisunique or indisexclusion,
       'primary', indisprimary, 'partial', indpred is not null, 'columns',
       (select json_agg(a.attname order by k.place) from unnest(indkey) with ordinality as k (number, place)
          left join pg_attribute a on a.attrelid = c.oid and a.attnum = k.number where k.place <= indnkeyatts)))
     from pg_index where indrelid = c.oid and indisvalid), '[]') as indexes
from pg_class c where relnamespace in ${SCHEMAS} and relkind in ('r', 'p', 'f') order by 1`;

const KEYS = `
select conname as name, conrelid::regclass::text as table, confrelid::regclass::text as to,
  (select json_agg(json_build_array(f.attname, t.attname)) from unnest(conkey, confkey) as k (from_number, to_number)
     join pg_attribute f on f.attrelid = conrelid and f.attnum = from_number
     join pg_attribute t on t.attrelid = confrelid and t.attnum = to_number) as columns
from pg_constraint where contype = 'f' and connamespace in ${SCHEMAS} order by 1`;

export async function readTables(database: TestDatabase): Promise<Table[]> {
  return database.query<Table>(TABLES);
}

export async function readKeys(database: TestDatabase): Promise<Key[]> {
  return database.query<Key>(KEYS);
}
