import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from '@jest/globals';
import { Client } from 'pg';
import { ownerOptions } from '../mikro-orm.config.ts';
import { migrate } from '../src/database/migrations.ts';
import { onClose } from './support/closing.ts';
import { createDatabase } from './support/database.ts';
import { SystemPostgres, systemPostgres } from './support/system-postgres.ts';

/** Two tenants with a project each. */
const INHABITANTS = `
with made as (insert into tenants (id, clerk_id) values (gen_random_uuid(), 'ours'), (gen_random_uuid(), 'theirs') returning *)
insert into projects (id, tenant_id, name) select gen_random_uuid(), id, clerk_id from made`;

const PROTECTION = `
select relname, relrowsecurity, relforcerowsecurity, polname, polcmd, polpermissive, pg_get_expr(polqual, polrelid) as using,
       pg_get_expr(polwithcheck, polrelid) as check
  from pg_class join pg_policy on polrelid = pg_class.oid order by relname, polname`;

describe('the role that backs up', () => {
  const READ = 'select name from projects order by name';

  it('reads every tenant’s rows and writes none', async () => {
    const database = await createDatabase();
    await database.query(INHABITANTS);
    const seen = async (role: string) => {
      const client = new Client({ connectionString: database.adminUrl });
      await client.connect();
      await client.query(`set role ${role}`);
      const { rows } = await client.query(READ);
      await client.end();
      return rows.map(({ name }: { name: string }) => name);
    };
    expect(await seen('gatehouse_backup')).toEqual(['ours', 'theirs']);
    expect(await seen('gatehouse')).toEqual([]);
    const rights = await database.query(`
      select bool_and(has_table_privilege('gatehouse_backup', c.oid, 'select')) as reads,
             bool_or(has_table_privilege('gatehouse_backup', c.oid, 'insert, update, delete, truncate')) as writes
        from pg_class c where relkind in ('r', 'p') and relnamespace in ('public'::regnamespace, 'pgboss'::regnamespace)`);
    expect(rights).toEqual([{ reads: true, writes: false }]);
    const [role] = await database.query(
      "select rolbypassrls, rolsuper, rolcreatedb, rolcreaterole from pg_roles where rolname = 'gatehouse_backup'",
    );
    expect(role).toEqual({ rolbypassrls: true, rolsuper: false, rolcreatedb: false, rolcreaterole: false });
  });
});

const whereDumped = systemPostgres ? describe : describe.skip;

/** The npm package of PostgreSQL has no pg_dump, and one of an older version refuses a newer server. */
whereDumped('a dump and its restoration, by the PostgreSQL of this machine', () => {
  let postgres: SystemPostgres;
  let file: string;

  const dumpAs = (role: string, to = file) =>
    postgres.run('pg_dump', ['--format=custom', `--file=${to}`, postgres.url(role, 'gatehouse')]);

  beforeAll(async () => {
    postgres = await SystemPostgres.start(systemPostgres ?? '');
    const folder = mkdtempSync(join(tmpdir(), 'gatehouse-dump-'));
    onClose(async () => rmSync(folder, { recursive: true }));
    postgres.own(folder);
    file = join(folder, 'dump');
    await postgres.createDatabase('gatehouse');
    await migrate(ownerOptions(postgres.url('gatehouse_owner', 'gatehouse')));
    await postgres.query('gatehouse', INHABITANTS);
    dumpAs('gatehouse_backup');
  });

  it('fails for the roles that policies bind, rather than to leave rows out', () => {
    expect(() => dumpAs('gatehouse_owner', `${file}.owner`)).toThrow(/row-level security/);
    expect(() => dumpAs('gatehouse', `${file}.runtime`)).toThrow(/row-level security|permission denied/);
  });

  it('brings back every row, its owner, its policies and their force', async () => {
    await postgres.createDatabase('restored');
    postgres.run('pg_restore', [
      '--exit-on-error',
      '--clean',
      '--if-exists',
      `--dbname=${postgres.url('postgres', 'restored')}`,
      file,
    ]);
    for (const sql of [
      'select * from tenants order by id',
      'select * from projects order by id',
      'select name from mikro_orm_migrations order by id',
      "select tablename, tableowner from pg_tables where schemaname in ('public', 'pgboss') order by 1",
      "select relname, relacl::text from pg_class where relnamespace in ('public'::regnamespace, 'pgboss'::regnamespace) order by 1",
      "select nspname, nspacl::text, pg_get_userbyid(nspowner) from pg_namespace where nspname in ('public', 'pgboss') order by 1",
      PROTECTION,
    ])
      expect(await postgres.query('restored', sql)).toEqual(await postgres.query('gatehouse', sql));
    expect((await postgres.query('restored', PROTECTION)).length).toBeGreaterThan(3);
  });

  it('keeps tenants apart afterwards', async () => {
    const [ours] = await postgres.query<{ id: string }>('restored', "select id from tenants where clerk_id = 'ours'");
    const seen = await postgres.query(
      'restored',
      `begin; select set_config('app.tenant_id', '${ours?.id}', true); select name from projects`,
      'gatehouse',
    );
    expect(seen).toEqual([{ name: 'ours' }]);
    expect(await postgres.query('restored', 'select name from projects', 'gatehouse')).toEqual([]);
    expect(await migrate(ownerOptions(postgres.url('gatehouse_owner', 'restored')))).toEqual([]);
  });
});
