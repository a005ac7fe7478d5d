import { describe, expect, it } from '@jest/globals';
import { MikroORM } from '@mikro-orm/postgresql';
import { ormOptions } from '../mikro-orm.config.ts';
import { migrate, pendingMigrations } from '../src/database/migrations.ts';
import { onClose } from './support/closing.ts';
import { createDatabase, type TestDatabase } from './support/database.ts';

const LEDGER = 'mikro_orm_migrations';

async function asOwnerOf(database: TestDatabase): Promise<MikroORM> {
  const options = ormOptions(database.ownerUrl);
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

const tablesIn = (schema: object[]) => new Set(schema.map((row) => (row as { at: string }).at));

describe('the migrations', () => {
  it('make the schema that the entities declare', async () => {
    const orm = await asOwnerOf(await createDatabase());
    expect(await orm.schema.getUpdateSchemaSQL({ wrap: false })).toBe('');
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
    const applied = await Promise.all(Array.from({ length: 4 }, () => migrate(ormOptions(empty.ownerUrl))));
    expect(applied.filter((names) => names.length > 0)).toHaveLength(1);
    expect(await schemaOf(empty)).toEqual(await schemaOf(migrated));
  });

  it('leave the runtime role what it needs in each table, and no more', async () => {
    const database = await createDatabase({ empty: true });
    await migrate(ormOptions(database.ownerUrl));
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
