import { beforeAll, describe, expect, it } from '@jest/globals';
import { defineEntity, MikroORM, type Options, p } from '@mikro-orm/postgresql';
import { ormOptions } from '../mikro-orm.config.ts';
import { TenantScoped } from '../src/database/index.ts';
import { CURRENT_TENANT } from '../src/database/scope.ts';
import { reference, referenceInTenant } from '../src/database/tenant-migration.ts';
import { faultsOf } from './support/catalogue.ts';
import { onClose } from './support/closing.ts';
import { createDatabase } from './support/database.ts';

type Entity = NonNullable<Options['entities']>[number];

const IS_OWN = `tenant_id = ${CURRENT_TENANT}`;

/** A scoped table, as the ORM and a migration make it. */
const scoped = (name: string, { columns = 'id uuid primary key', kind = '' } = {}) =>
  `create table ${name} (tenant_id uuid not null, ${columns}) ${kind};
   alter table ${name} add unique (tenant_id, id);
   ${policy(name)} ${reference({ table: name, column: 'tenant_id', to: 'tenants' })}`;
const policy = (name: string) =>
  `alter table ${name} enable row level security; alter table ${name} force row level security;
   create policy tenant on ${name} using (${IS_OWN}) with check (${IS_OWN});`;
/** The table of notes with another policy. */
const policed = (how: string) =>
  `${scoped('scratch_notes')} drop policy tenant on scratch_notes; create policy tenant on scratch_notes ${how};`;

let orm: MikroORM;

beforeAll(async () => {
  orm = await ormOf();
});

/** What the application's ORM knows, and these; it does not connect. */
async function ormOf(entities: Entity[] = []): Promise<MikroORM> {
  const options = ormOptions('postgres://nobody@127.0.0.1:1/nothing');
  const made = await MikroORM.init({ ...options, entities: [...(options.entities ?? []), ...entities] });
  onClose(() => made.close());
  return made;
}

/** The faults of a database in which somebody ran this as superuser. */
async function faultsAfter(sql: string, entities: Entity[] = []): Promise<string[]> {
  const database = await createDatabase();
  await database.query(sql);
  return faultsOf(database, entities.length > 0 ? await ormOf(entities) : orm);
}

describe('the database', () => {
  it('keeps every table to its tenant, but for those on the list', async () => {
    expect(await faultsOf(await createDatabase(), orm)).toEqual([]);
  });

  it.each([
    ['a scoped table', scoped('scratch_notes')],
    [
      'a key inside one tenant',
      `${scoped('scratch_notes', { columns: 'id uuid primary key, project_id uuid' })}
      ${referenceInTenant({ table: 'scratch_notes', column: 'project_id', to: 'projects' })}`,
    ],
    [
      'a partition with its own policy',
      `${scoped('scratch_notes', { columns: 'id uuid', kind: 'partition by hash (tenant_id)' })}
      create table scratch_notes_1 partition of scratch_notes for values with (modulus 1, remainder 0);
      ${policy('scratch_notes_1')}`,
    ],
    [
      'a partition of a global table',
      `drop table changes; create table changes (id int) partition by range (id);
      create table changes_1 partition of changes default`,
    ],
    [
      'a view that asks as who looks',
      'create view scratch_notes with (security_invoker = true) as select * from projects',
    ],
    ['what keeps global rows', 'create materialized view scratch_notes as select id from tenants'],
    [
      'a function that acts as who calls',
      "create function scratch_notes() returns bigint language sql as 'select count(*) from projects'",
    ],
    ['a further policy that narrows', 'create policy young on projects as restrictive using (created_at < now())'],
    ['a further index', 'create index on projects (created_at)'],
    [
      'a scoped table in another schema',
      `create schema elsewhere; ${scoped('scratch_notes')} alter table scratch_notes set schema elsewhere`,
    ],
  ])('may have %s', async (_, sql) => {
    expect(await faultsAfter(sql)).toEqual([]);
  });
});

describe('the catalogue names', () => {
  it.each([
    [
      'a table that nobody thought about',
      'create table scratch_notes (id uuid primary key)',
      ['scratch_notes: is neither scoped nor on the list of global tables'],
    ],
    [
      'a partitioned one',
      'create table scratch_notes (id int) partition by range (id)',
      ['scratch_notes: is neither scoped nor on the list of global tables'],
    ],
    [
      'one in another schema',
      `create schema elsewhere; create table elsewhere.scratch_notes (id uuid primary key);
      grant usage on schema elsewhere to gatehouse; grant select on elsewhere.scratch_notes to gatehouse`,
      ['elsewhere.scratch_notes: is neither scoped nor on the list of global tables'],
    ],
    [
      'one of another database',
      `create foreign data wrapper wires; create server far foreign data wrapper wires;
      create foreign table scratch_notes (id uuid) server far`,
      ['scratch_notes: is neither scoped nor on the list of global tables'],
    ],
    [
      'a tenant that is a text',
      'create table scratch_notes (tenant_id text)',
      ['scratch_notes: is neither scoped nor on the list of global tables'],
    ],
    [
      'a global table that is no more',
      'drop table reconcile_progress',
      ['reconcile_progress: is on the list of global tables and not there'],
    ],
    [
      'row security that is off',
      'alter table projects disable row level security',
      ['projects: its row security is not forced'],
    ],
    [
      'row security that spares the owner',
      'alter table projects no force row level security',
      ['projects: its row security is not forced'],
    ],
    ['no policy', 'drop policy tenant on projects', ['projects: has 0 permissive policies, not one']],
    [
      'a policy that widens another',
      'create policy more on projects for select using (false)',
      ['projects: has 2 permissive policies, not one'],
    ],
    [
      'a policy that shows all',
      policed(`using (true) with check (${IS_OWN})`),
      ['scratch_notes: the policy tenant does not compare what is there with the setting'],
    ],
    [
      'a policy that shows more',
      policed(`using (${IS_OWN} or id is null) with check (${IS_OWN})`),
      ['scratch_notes: the policy tenant does not compare what is there with the setting'],
    ],
    [
      'a policy that lets all be written',
      policed(`using (${IS_OWN}) with check (true)`),
      ['scratch_notes: the policy tenant does not compare what is written with the setting'],
    ],
    [
      'a policy of another setting',
      policed("using (tenant_id = (current_setting('app.tenant'))::uuid)"),
      [
        'scratch_notes: the policy tenant does not compare what is there with the setting',
        'scratch_notes: the policy tenant does not compare what is written with the setting',
      ],
    ],
    [
      'a policy for one command',
      policed(`for select using (${IS_OWN})`),
      ['scratch_notes: the policy tenant is not for all commands'],
    ],
    [
      'a policy for one role',
      policed(`to gatehouse using (${IS_OWN})`),
      ['scratch_notes: the policy tenant does not bind whoever asks'],
    ],
    [
      'a policy that narrows for one role',
      'alter policy tenant_updates on memberships to postgres',
      ['memberships: the policy tenant_updates does not bind whoever asks'],
    ],
    [
      'a volatile function in a policy',
      'create policy slow on projects as restrictive using (random() < 2)',
      ['projects: the policy slow calls what is volatile: random'],
    ],
    [
      'a volatile function of ours in a policy',
      `create function late() returns boolean language sql volatile as 'select true';
      create policy slow on projects as restrictive for insert with check (late())`,
      ['projects: the policy slow calls what is volatile: late'],
    ],
    [
      'own rows that can be changed elsewhere',
      'drop policy tenant_updates on memberships',
      ['memberships: a person may UPDATE rows of another tenant'],
    ],
    [
      'own rows that can be deleted elsewhere',
      'drop policy tenant_deletes on memberships',
      ['memberships: a person may DELETE rows of another tenant'],
    ],
    [
      'the key that references need',
      'alter table invitations drop constraint invitations_tenant_id_id_unique',
      ['invitations: (tenant_id, id) is not unique'],
    ],
    [
      'no index for the policy',
      'alter table projects drop constraint projects_tenant_id_id_unique',
      ['projects: no index begins with tenant_id', 'projects: (tenant_id, id) is not unique'],
    ],
    [
      'an index that has some rows only',
      `alter table projects drop constraint projects_tenant_id_id_unique;
      create unique index on projects (tenant_id, id) where archived_at is null`,
      ['projects: no index begins with tenant_id', 'projects: (tenant_id, id) is not unique'],
    ],
    [
      'a unique key that tells of other tenants',
      'alter table projects add constraint named unique (name)',
      ['projects: the unique index named does not begin with tenant_id'],
    ],
    [
      'one that has the tenant behind',
      'create unique index named on projects (name, tenant_id)',
      ['projects: the unique index named does not begin with tenant_id'],
    ],
    [
      'one that only carries the tenant',
      'create unique index named on projects (name) include (tenant_id)',
      ['projects: the unique index named does not begin with tenant_id'],
    ],
    [
      'one of an expression',
      'create unique index named on projects (lower(name))',
      ['projects: the unique index named does not begin with tenant_id'],
    ],
    [
      'an exclusion',
      'alter table projects add constraint named exclude using hash (name with =)',
      ['projects: the unique index named does not begin with tenant_id'],
    ],
    [
      'a primary key that counts',
      scoped('scratch_notes', { columns: 'id bigint generated always as identity primary key' }),
      ['scratch_notes: the unique index scratch_notes_pkey does not begin with tenant_id'],
    ],
    [
      'a key to rows of any tenant',
      'alter table invitations add project_id uuid constraint project references projects',
      ['invitations: project may refer to projects of another tenant'],
    ],
    [
      'a tenant that need not be one',
      'alter table projects drop constraint projects_tenant_id_reference',
      ['projects: its tenant_id does not refer to tenants'],
    ],
    [
      'a partition without policy',
      `${scoped('scratch_notes', { columns: 'id uuid', kind: 'partition by hash (tenant_id)' })}
      create table scratch_notes_1 partition of scratch_notes for values with (modulus 1, remainder 0)`,
      ['scratch_notes_1: is a partition without a forced policy of its own'],
    ],
    [
      'a view',
      'create view scratch_notes as select * from projects',
      ['scratch_notes: is a view without security_invoker'],
    ],
    [
      'a view that asks as its owner',
      'create view scratch_notes with (security_invoker = off) as select * from projects',
      ['scratch_notes: is a view without security_invoker'],
    ],
    [
      'what keeps scoped rows',
      'create materialized view scratch_notes as select * from projects',
      ['projects: scratch_notes keeps its rows, without policy'],
    ],
    [
      'what keeps them by way of a view',
      `create view between_both with (security_invoker = true) as select * from projects;
      create materialized view scratch_notes as select * from between_both`,
      ['projects: scratch_notes keeps its rows, without policy'],
    ],
    [
      'a function that acts as its owner',
      `create function scratch_notes() returns bigint language sql security definer as 'select count(*) from Projects'`,
      ['projects: scratch_notes() acts on it as its owner'],
    ],
    [
      'one with a body of standard SQL',
      `create function scratch_notes() returns bigint security definer return (select count(*) from projects)`,
      ['projects: scratch_notes() acts on it as its owner'],
    ],
    [
      'one that acts by way of views',
      `create view under with (security_invoker = true) as select * from projects;
      create view above with (security_invoker = true) as select * from under;
      create function scratch_notes() returns bigint language sql security definer as 'select count(*) from above'`,
      ['projects: scratch_notes() acts on it as its owner'],
    ],
  ])('%s', async (_, sql, faults) => {
    expect(await faultsAfter(sql)).toEqual(faults);
  });
});

const id = p.uuid().primary();

describe('the catalogue names an entity', () => {
  const properties = { text: p.text() };
  const named = { name: 'ScratchNote', tableName: 'scratch_notes' };

  it('that extends a scope, never', async () => {
    expect(
      await faultsAfter(scoped('scratch_notes'), [defineEntity({ ...named, extends: TenantScoped, properties })]),
    ).toEqual([]);
  });

  it.each([
    [
      'with the column and without the scope',
      defineEntity({ ...named, properties: { id, tenantId: p.uuid() } }),
      'ScratchNote extends no scope, so no filter narrows it',
    ],
    [
      'of a scoped table that does not say so',
      defineEntity({ ...named, properties: { id, ...properties } }),
      'ScratchNote extends no scope, so no filter narrows it',
    ],
    [
      'with a filter of its own in place of the scope',
      defineEntity({
        ...named,
        extends: TenantScoped,
        properties,
        filters: { scope: { name: 'scope', cond: {}, default: true } },
      }),
      'ScratchNote overrides the filter of its scope',
    ],
    [
      'whose filter is off until it is asked for',
      defineEntity({
        ...named,
        extends: TenantScoped,
        properties,
        filters: { scope: { ...TenantScoped.meta.filters.scope, name: 'scope', default: false } as never },
      }),
      'ScratchNote overrides the filter of its scope',
    ],
    [
      'with a policy of its own',
      defineEntity({ ...named, extends: TenantScoped, properties, policies: [{ name: 'more', using: 'true' }] }),
      'ScratchNote overrides the policies of its scope',
    ],
    [
      'whose row security is off',
      defineEntity({ ...named, extends: TenantScoped, properties, rowLevelSecurity: false }),
      'ScratchNote overrides the policies of its scope',
    ],
  ])('%s', async (_, entity, fault) => {
    expect(await faultsAfter(scoped('scratch_notes'), [entity])).toEqual([`scratch_notes: ${fault}`]);
  });

  it('that is scoped, of a global table', async () => {
    const entity = defineEntity({ ...named, tableName: 'mikro_orm_migrations', extends: TenantScoped, properties });
    expect(await faultsAfter('select 1', [entity])).toEqual([
      'mikro_orm_migrations: is on the list of global tables, and ScratchNote scoped',
    ]);
  });
});
