import { defineEntity, p } from '@mikro-orm/core';
import { type EntityManager, MikroORM } from '@mikro-orm/postgresql';
import { Client } from 'pg';
import { ormOptions } from '../../mikro-orm.config.ts';
import { enterScope } from '../../src/database/scope.ts';
import { transaction } from '../../src/database/transaction.ts';
import { Project } from '../../src/projects/project.entity.ts';
import { onClose } from '../support/closing.ts';
import { type Bench, line, median, report, takeTurns } from './kit.ts';

const ROWS = 1_000_000;
const FEW = 10;
const MANY = 100_000;
/** Whose lists are read; each has a page of rows, however many tenants there are. */
const READERS = 10;
const PAGE = 20;
const CONNECTIONS = 4;
const ROUND_MS = 2000;
const ROUNDS = 7;

/** The same columns and index, without policy and filter: who asks names the tenant. */
const PlainProjectSchema = defineEntity({
  name: 'PlainProject',
  tableName: 'plain_projects',
  properties: {
    id: p.uuid().primary(),
    tenantId: p.uuid(),
    name: p.text(),
    archivedAt: p.datetime().nullable(),
    createdAt: p.datetime(),
    updatedAt: p.datetime(),
  },
});
class PlainProject extends PlainProjectSchema.class {}
PlainProjectSchema.setClass(PlainProject);

type List = (em: EntityManager, tenantId: string) => Promise<unknown[]>;

/** What row security costs a list of a tenant, and that other tenants cost nothing. */
export async function benchTenancy({ postgres }: Bench): Promise<void> {
  const variants: Record<string, () => Promise<number>> = {};
  for (const tenants of [FEW, MANY]) {
    console.log(`\nFilling ${ROWS.toLocaleString('en')} rows of ${tenants.toLocaleString('en')} tenants`);
    const { orm, readers } = await house(postgres, tenants);
    variants[secured(tenants)] = () => rateOf(orm, readers, scoped);
    variants[bare(tenants)] = () => rateOf(orm, readers, plain);
  }
  console.log(`A list of ${PAGE} rows, ${CONNECTIONS} at a time, lists/s`);
  const rates = await takeTurns(variants, ROUNDS);
  for (const [name, values] of Object.entries(rates)) line(name, median(values).toFixed(0));
  for (const tenants of [FEW, MANY])
    report(`row security / none, ${tenants} tenants`, ratio(rates, secured(tenants), bare(tenants)), 0.7);
  report(`row security, ${MANY} / ${FEW} tenants`, ratio(rates, secured(MANY), secured(FEW)), 0.85);
}

const secured = (tenants: number) => `${tenants} tenants, row security`;
const bare = (tenants: number) => `${tenants} tenants, none`;

/** Of rounds next to each other: what the machine does meanwhile hits both. */
function ratio(rates: Record<string, number[]>, one: string, other: string): number {
  return median((rates[one] ?? []).map((rate, round) => rate / (rates[other]?.[round] ?? 1)));
}

/** A database of its own, so that all take turns. */
async function house({ url, adminUrl }: Bench['postgres'], tenants: number) {
  const name = `bench_${tenants}`;
  await query(adminUrl, `create database ${name} template gatehouse`);
  const named = (address: string) => Object.assign(new URL(address), { pathname: name }).href;
  const options = ormOptions(named(url));
  const orm = await MikroORM.init({ ...options, entities: [...(options.entities ?? []), PlainProject] });
  onClose(() => orm.close());
  return { orm, readers: await fill(named(adminUrl), tenants) };
}

/** A request's work, from its EntityManager to the commit. */
const scoped: List = async (em, tenantId) => {
  enterScope(em, { tenantId, userId: null });
  return transaction(em, (own) => own.find(Project, { archivedAt: null }, { orderBy: { id: 'desc' }, limit: PAGE }));
};

const plain: List = async (em, tenantId) =>
  transaction(em, (own) =>
    own.find(PlainProject, { tenantId, archivedAt: null }, { orderBy: { id: 'desc' }, limit: PAGE }),
  );

async function rateOf(orm: MikroORM, readers: string[], list: List): Promise<number> {
  const [began, until] = [performance.now(), performance.now() + ROUND_MS];
  let lists = 0;
  const read = async () => {
    while (performance.now() < until) {
      const reader = readers[lists++ % readers.length] ?? '';
      const rows = await list(orm.em.fork(), reader);
      if (rows.length !== PAGE) throw new Error(`A list has ${rows.length} rows`);
    }
  };
  await Promise.all(Array.from({ length: CONNECTIONS }, read));
  return lists / ((performance.now() - began) / 1000);
}

/** As many rows in all, of so many tenants; answers those that have a page. */
async function fill(adminUrl: string, tenants: number): Promise<string[]> {
  await query(adminUrl, TABLE);
  await query(
    adminUrl,
    `insert into tenants (id, clerk_id)
     select uuidv7(interval '1 microsecond' * n), 'org_' || n from generate_series(1, $1::int) n`,
    [tenants],
  );
  const rows = await query<{ id: string }>(adminUrl, 'select id from tenants order by random() limit $1', [READERS]);
  const readers = rows.map(({ id }) => id);
  await query(
    adminUrl,
    `insert into projects (id, tenant_id, name)
     select uuidv7(), tenants.id, 'Project ' || n
     from generate_series(1, $1::int) n
     join (select id, row_number() over () - 1 as place from tenants) tenants on tenants.place = n % $2::int`,
    [ROWS - READERS * PAGE, tenants],
  );
  await query(
    adminUrl,
    `insert into projects (id, tenant_id, name)
     select uuidv7(), tenant_id, 'Project' from unnest($1::uuid[]) as tenant_id, generate_series(1, $2::int)`,
    [readers, PAGE],
  );
  await query(
    adminUrl,
    'insert into plain_projects select id, tenant_id, name, archived_at, created_at, updated_at from projects',
  );
  for (const table of ['projects', 'plain_projects']) await query(adminUrl, `vacuum analyze ${table}`);
  return readers;
}

const TABLE = `
create table plain_projects (id uuid primary key, tenant_id uuid not null, name text not null, archived_at timestamptz,
  created_at timestamptz not null, updated_at timestamptz not null, unique (tenant_id, id));
grant select on plain_projects to gatehouse`;

async function query<Row extends object>(url: string, sql: string, parameters: unknown[] = []): Promise<Row[]> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query<Row>(sql, parameters)).rows;
  } finally {
    await client.end();
  }
}
