import type { MikroORM } from '@mikro-orm/postgresql';
import { faultsBeside } from './catalogue-beside.ts';
import { faultsOfEntities } from './catalogue-entities.ts';
import { readKeys, readTables, type Table } from './catalogue-read.ts';
import { faultsOfReferences, faultsOfTable } from './catalogue-tables.ts';
import type { TestDatabase } from './database.ts';

/** The tables whose rows belong to no tenant, and are everybody's. Each of the others is scoped. */
const GLOBAL_TABLES = [
  'billing_rereads',
  'changes',
  'inbox',
  'instance',
  'known_keys',
  'mikro_orm_migrations',
  'payer_references',
  'plans',
  'reconcile_progress',
  'revocations',
  'tenant_intents',
  'tenants',
  'users',
  'verification_keys',
  'waiting_billing',
];

/** What in a migrated database, or in the entities, would let one tenant see or touch rows of another: table and cause. */
export async function faultsOf(database: TestDatabase, orm: MikroORM): Promise<string[]> {
  const tables = await readTables(database);
  const scoped = tables.filter((table) => !isGlobal(table, tables));
  const names = scoped.map(({ name }) => name);
  return [
    ...GLOBAL_TABLES.filter((name) => !tables.some((table) => table.name === name)).map(
      (name) => `${name}: is on the list of global tables and not there`,
    ),
    ...scoped.flatMap(faultsOfTable),
    ...faultsOfReferences(await readKeys(database), scoped),
    ...(await faultsBeside(database, names)),
    ...faultsOfEntities(orm, GLOBAL_TABLES),
  ];
}

/** As is a partition of one that is. */
function isGlobal({ name, parent }: Table, tables: Table[]): boolean {
  const above = tables.find((table) => table.name === parent);
  return GLOBAL_TABLES.includes(name) || (above !== undefined && isGlobal(above, tables));
}
