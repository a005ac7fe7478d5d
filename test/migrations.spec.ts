import { describe, expect, it } from '@jest/globals';
import { MikroORM } from '@mikro-orm/postgresql';
import { ormOptions, ownerOptions } from '../mikro-orm.config.ts';
import { migrate, pendingMigrations } from '../src/database/migrations.ts';
import { asEachOwner, asEachTenant, reference, referenceInTenant } from '../src/database/tenant-migration.ts';
import { onClose } from './support/closing.ts';
import { createDatabase, type TestDatabase } from './support/database.ts';
import { createScopedDatabase } from './support/scoped-entities.ts';

const LEDGER = 'mikro_orm_migrations';

async function asOwnerOf(database: TestDatabase): Promise<MikroORM> {
  const options = ownerOptions(database.ownerUrl);
  const orm = await MikroORM.init({ ...options, migrations: { ...options.migrations, silent: true } });
  onClose(() => orm.close());
  return orm;
}

/** Everything that migrations make, as the catalogue has it. */
async function schemaOf(database: TestDatabase): Promise<object[]> {
  return database.query(`
    select table_name as at, column_name as name, concat_ws(' ', data_type, is_nullable, column_default) as what
      from information_schema.columns where table_schema = 'public'
    union all
    select conrelid::regclass::text, conname, pg_get_constraintdef(oid)
      from pg_constraint where connamespace = 'public'::regnamespace
    union all
    select tablename, indexname, indexdef from pg_indexes where schemaname = 'public'
    union all
    select tablename, policyname, concat_ws(' ', cmd, qual, with_check) from pg_policies where schemaname = 'public'
    union all
    select relname, 'row security', concat_ws(' ', relrowsecurity, relforcerowsecurity)
      from pg_class where relnamespace = 'public'::regnamespace and relkind = 'r'
    order by 1, 2, 3`);
}

/** Less the foreign keys that migrations write by hand, which the ORM would drop: it is not told of them. */
const withoutReferences = (sql: string) =>
  sql.replaceAll(/alter table "\w+" drop constraint "\w+_reference";\s*/g, '').trim();

const tablesIn = (schema: object[]) => new Set(schema.map((row) => (row as { at: string }).at));

describe('the migrations', () => {
  it('make the schema that the entities declare', async () => {
    const orm = await asOwnerOf(await createDatabase());
    expect(withoutReferences(await orm.schema.getUpdateSchemaSQL({ wrap: false }))).toBe('');
  });

  it('are all applied to the database that tests clone', async () => {
    const database = await createDatabase();
    expect(await pendingMigrations((sql) => database.query(sql))).toEqual([]);
  });

  it('are pending, by name, until they are applied', async () => {
    const database = await createDatabase();
    const names = (await database.query<{ name: string }>(`delete from ${LEDGER} returning name`)).map(
      ({ name }) => name,
    );
    expect(names.length).toBeGreaterThan(0);
    expect(await pendingMigrations((sql) => database.query(sql))).toEqual(names.toSorted((a, b) => a.localeCompare(b)));
  });

  it('go all the way down, leaving nothing, and up again, to the same schema', async () => {
    const database = await createDatabase();
    const before = await schemaOf(database);
    expect(tablesIn(before).size).toBeGreaterThan(1);
    const orm = await asOwnerOf(database);
    await orm.migrator.down({ to: 0 });
    expect(tablesIn(await schemaOf(database))).toEqual(new Set([LEDGER]));
    await orm.migrator.up();
    expect(await schemaOf(database)).toEqual(before);
  });

  it('make the same schema on an empty database, once, however many apply them together', async () => {
    const [migrated, empty] = [await createDatabase(), await createDatabase({ empty: true })];
    const applied = await Promise.all(Array.from({ length: 4 }, () => migrate(ownerOptions(empty.ownerUrl))));
    expect(applied.filter((names) => names.length > 0)).toHaveLength(1);
    expect(await schemaOf(empty)).toEqual(await schemaOf(migrated));
  });

  it('leave the runtime role what it needs in each table, and no more', async () => {
    const database = await createDatabase({ empty: true });
    await migrate(ownerOptions(database.ownerUrl));
    const rights = await database.query<{ name: string; may: string; owner: string }>(`
      select relname as name, pg_get_userbyid(relowner) as owner,
             (select string_agg(privilege_type, ' ' order by privilege_type)
                from aclexplode(relacl) where grantee = 'gatehouse'::regrole) as may
        from pg_class where relnamespace = 'public'::regnamespace and relkind = 'r'`);
    for (const { name, may, owner } of rights)
      expect({ name, may, owner }).toEqual({ name, may: 'DELETE INSERT SELECT UPDATE', owner: 'gatehouse_owner' });
  });

  it('are refused to the runtime role', async () => {
    const database = await createDatabase({ empty: true });
    await expect(migrate(ormOptions(database.url))).rejects.toThrow(/permission denied/);
    expect(await schemaOf(database)).toEqual([]);
  });
});

describe('a migration that changes rows of tenants', () => {
  const RENAME = "update projects set name = name || ', renamed'";
  const namesIn = async (database: TestDatabase) =>
    (await database.query<{ name: string }>('select name from projects order by name')).map(({ name }) => name);

  /** Two tenants, one of them deleted, with a project each. */
  async function inhabited(): Promise<[TestDatabase, MikroORM]> {
    const database = await createDatabase();
    for (const [name, deletedAt] of [
      ['ours', null],
      ['theirs', '2026-01-01'],
    ])
      await database.query(
        `with tenant as (insert into tenants (id, clerk_id, deleted_at) values (gen_random_uuid(), $1, $2) returning id)
         insert into projects (id, tenant_id, name) select gen_random_uuid(), id, $1 from tenant`,
        [name, deletedAt],
      );
    return [database, await asOwnerOf(database)];
  }

  it('is refused where a policy would narrow it to nothing, and say nothing', async () => {
    const [database, orm] = await inhabited();
    for (const statement of [RENAME, 'delete from projects', 'select * from projects'])
      await expect(orm.em.fork().execute(statement)).rejects.toThrow(/affected by row-level security policy/);
    expect(await namesIn(database)).toEqual(['ours', 'theirs']);
  });

  it('changes each tenant’s by asEachTenant, and is nobody’s afterwards', async () => {
    const [database, orm] = await inhabited();
    await orm.em.fork().transactional(async (em) => {
      await em.execute(asEachTenant(RENAME));
      const settings = await em.execute(
        "select current_setting('app.tenant_id', true) as tenant, current_setting('row_security') as rows",
      );
      expect(settings).toEqual([{ tenant: '', rows: 'off' }]);
    });
    expect(await namesIn(database)).toEqual(['ours, renamed', 'theirs, renamed']);
  });

  it('changes each tenant’s and each user’s by asEachOwner, and is nobody’s afterwards', async () => {
    const database = await createScopedDatabase();
    for (const table of ['tenants', 'users'])
      await database.query(
        `with owner as (insert into ${table} (id, clerk_id) values (gen_random_uuid(), $1) returning id)
         insert into scratch_drafts (id, owner_id, text) select gen_random_uuid(), id, $1 from owner`,
        [table],
      );
    const orm = await asOwnerOf(database);
    await orm.em.fork().transactional(async (em) => {
      await em.execute(asEachOwner("update scratch_drafts set text = text || ', changed'"));
      const settings = await em.execute(
        `select current_setting('app.tenant_id', true) as tenant, current_setting('app.user_id', true) as user,
                current_setting('row_security') as rows`,
      );
      expect(settings).toEqual([{ tenant: '', user: '', rows: 'off' }]);
    });
    const texts = await database.query('select text from scratch_drafts order by text');
    expect(texts).toEqual([{ text: 'tenants, changed' }, { text: 'users, changed' }]);
  });

  it('adds a foreign key only where the rows of all tenants have what they refer to', async () => {
    const [database, orm] = await inhabited();
    const execute = (sql: string) => orm.em.fork().transactional((em) => em.execute(sql));
    await database.query(
      'alter table projects add column parent_id uuid, drop constraint projects_tenant_id_reference',
    );
    await database.query(
      "update projects set parent_id = (select id from projects where name = 'theirs') where name = 'ours'",
    );
    const key = referenceInTenant({ table: 'projects', column: 'parent_id', to: 'projects' });
    await expect(execute(key)).rejects.toThrow(/violates foreign key/);
    await database.query('update projects set parent_id = id');
    await execute(key);
    await execute(reference({ table: 'projects', column: 'tenant_id', to: 'tenants' }));
    const forced = await database.query(
      "select relforcerowsecurity as forced from pg_class where relname = 'projects'",
    );
    expect(forced).toEqual([{ forced: true }]);
  });
});
