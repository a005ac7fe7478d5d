import { defineEntity, MikroORM, type Options, p } from '@mikro-orm/postgresql';
import { Client } from 'pg';
import { ormOptions } from '../../mikro-orm.config.ts';
import { OwnerScoped, TenantScoped } from '../../src/database/index.ts';
import { reference, referenceInTenant } from '../../src/database/tenant-migration.ts';
import { onClose } from './closing.ts';
import { createDatabase, type TestDatabase } from './database.ts';

const Draft = defineEntity({
  name: 'ScratchDraft',
  tableName: 'scratch_drafts',
  extends: OwnerScoped,
  properties: { text: p.text() },
});

export const Folder = defineEntity({
  name: 'ScratchFolder',
  tableName: 'scratch_folders',
  extends: TenantScoped,
  properties: { name: p.text() },
});

/** Goes with its folder. */
export const Page = defineEntity({
  name: 'ScratchPage',
  tableName: 'scratch_pages',
  extends: TenantScoped,
  properties: { text: p.text(), folder: () => p.manyToOne(Folder).createForeignKeyConstraint(false) },
  indexes: [{ properties: ['tenantId', 'folder'] }],
});

const ENTITIES: NonNullable<Options['entities']> = [Draft, Folder, Page];
const REFERENCES = [
  reference({ table: 'scratch_folders', column: 'tenant_id', to: 'tenants' }),
  reference({ table: 'scratch_pages', column: 'tenant_id', to: 'tenants' }),
  referenceInTenant({ table: 'scratch_pages', column: 'folder_id', to: 'scratch_folders', onDelete: 'cascade' }),
];

/** A migrated database that has entities of these kinds too, made as a migration makes them. */
export async function createScopedDatabase(): Promise<TestDatabase> {
  const database = await createDatabase();
  const orm = await MikroORM.init({ ...ormOptions(database.ownerUrl), entities: ENTITIES });
  const tables = await orm.schema.getCreateSchemaSQL({ wrap: false });
  await orm.close();
  const owner = new Client({ connectionString: database.ownerUrl });
  await owner.connect();
  await owner.query(`set row_security = off; begin; ${tables} ${REFERENCES.join(' ')} commit`);
  await owner.end();
  return database;
}

/** As the application's, of the runtime role, with those entities too. */
export async function ormOf({ url }: Pick<TestDatabase, 'url'>, max = 4): Promise<MikroORM> {
  const options = ormOptions(url);
  const entities = [...(options.entities ?? []), ...ENTITIES];
  const orm = await MikroORM.init({ ...options, entities, pool: { min: 0, max } });
  onClose(() => orm.close());
  return orm;
}
