import { randomUUID } from 'node:crypto';
import { beforeAll, describe, expect, it } from '@jest/globals';
import type { EntityMetadata } from '@mikro-orm/core';
import {
  EntityManager,
  ForeignKeyConstraintViolationException,
  MikroORM,
  RowLevelSecurityViolationException,
} from '@mikro-orm/postgresql';
import { Injectable, Module, type Type } from '@nestjs/common';
import { Client } from 'pg';
import { ormOptions } from '../mikro-orm.config.ts';
import { modulesOf, requestChain } from '../src/app.module.ts';
import { type ClerkEvent, OnClerkEvent } from '../src/clerk/index.ts';
import { readSettings } from '../src/config/index.ts';
import {
  asTenant,
  asUser,
  enterScope,
  forEachTenant,
  type Scope,
  scopeOf,
  transaction,
} from '../src/database/index.ts';
import { Job, Jobs } from '../src/jobs/index.ts';
import { Project } from '../src/projects/project.entity.ts';
import { startApp, type TestApp } from './support/app.ts';
import { faultsOf } from './support/catalogue.ts';
import { type ScopeName, scopedEntities } from './support/catalogue-entities.ts';
import { TestClerk } from './support/clerk.ts';
import { onClose } from './support/closing.ts';
import type { TestDatabase } from './support/database.ts';
import { startPgBouncer } from './support/pgbouncer.ts';
import { createScopedDatabase, Folder, ormOf, Page } from './support/scoped-entities.ts';
import { type Attempt, LOCKS, type Operation, RAW_READS, READS, TRANSACTIONAL_READS } from './support/scoped-reads.ts';
import { type Data, type Owner, ScopedRows } from './support/scoped-rows.ts';
import { CHANGES, INSERTS, MOVES, RAW_CHANGES, RAW_MOVES, UPSERTS } from './support/scoped-writes.ts';

/** What may come of something that is done to a row. */
type Outcome = 'works' | 'nothing' | 'refused' | 'no scope' | 'leaks';
/** By who does it. */
type Outcomes = Record<string, Outcome>;

interface Group {
  operations: Record<string, Operation>;
  /** Has its place in a transaction only. */
  inTransaction?: boolean;
  /** The ORM narrows it, unless it is told not to. */
  filtered?: boolean;
}

const GROUPS = {
  reads: { operations: READS, filtered: true },
  rawReads: { operations: RAW_READS },
  streams: { operations: TRANSACTIONAL_READS, inTransaction: true },
  locks: { operations: LOCKS, inTransaction: true },
  changes: { operations: CHANGES, filtered: true },
  rawChanges: { operations: RAW_CHANGES },
  moves: { operations: MOVES, filtered: true },
  rawMoves: { operations: RAW_MOVES },
  inserts: { operations: INSERTS },
  upserts: { operations: UPSERTS },
} satisfies Record<string, Group>;

type Expected = Record<keyof typeof GROUPS, Outcomes>;

/** A tenant's row, as the tenant, another, a person without one, and code that forgot to say. */
const OF_TENANT: Expected = {
  reads: { own: 'works', other: 'nothing', alone: 'nothing', unscoped: 'no scope' },
  rawReads: { own: 'works', other: 'nothing', alone: 'nothing', unscoped: 'nothing' },
  streams: { own: 'works', other: 'nothing', alone: 'nothing', unscoped: 'nothing' },
  locks: { own: 'works', other: 'nothing', alone: 'nothing', unscoped: 'nothing' },
  changes: { own: 'works', other: 'nothing', alone: 'nothing', unscoped: 'no scope' },
  rawChanges: { own: 'works', other: 'nothing', alone: 'nothing', unscoped: 'nothing' },
  moves: { own: 'refused', other: 'nothing', alone: 'nothing', unscoped: 'no scope' },
  rawMoves: { own: 'refused', other: 'nothing', alone: 'nothing', unscoped: 'nothing' },
  inserts: { own: 'works', other: 'refused', alone: 'refused', unscoped: 'refused' },
  upserts: { own: 'works', other: 'refused', alone: 'refused', unscoped: 'refused' },
};

/** A person's row in a tenant, as that person elsewhere. */
const OF_PERSON: Expected = {
  reads: { alone: 'works', other: 'works' },
  rawReads: { alone: 'works', other: 'works' },
  streams: { alone: 'works', other: 'works' },
  locks: { alone: 'nothing', other: 'nothing' },
  changes: { alone: 'nothing', other: 'nothing' },
  rawChanges: { alone: 'nothing', other: 'nothing' },
  moves: { alone: 'nothing', other: 'nothing' },
  rawMoves: { alone: 'nothing', other: 'nothing' },
  inserts: { alone: 'refused', other: 'refused' },
  upserts: { alone: 'refused', other: 'refused' },
};

/** A person's row that is of no tenant, as that person without and with one, and as somebody else. */
const OF_USER: Expected = {
  reads: { alone: 'works', own: 'nothing', stranger: 'nothing', unscoped: 'no scope' },
  rawReads: { alone: 'works', own: 'nothing', stranger: 'nothing', unscoped: 'nothing' },
  streams: { alone: 'works', own: 'nothing', stranger: 'nothing', unscoped: 'nothing' },
  locks: { alone: 'works', own: 'nothing', stranger: 'nothing', unscoped: 'nothing' },
  changes: { alone: 'works', own: 'nothing', stranger: 'nothing', unscoped: 'no scope' },
  rawChanges: { alone: 'works', own: 'nothing', stranger: 'nothing', unscoped: 'nothing' },
  moves: { alone: 'refused', own: 'nothing', stranger: 'nothing', unscoped: 'no scope' },
  rawMoves: { alone: 'refused', own: 'nothing', stranger: 'nothing', unscoped: 'nothing' },
  inserts: { alone: 'works', own: 'refused', stranger: 'refused', unscoped: 'refused' },
  upserts: { alone: 'works', own: 'refused', stranger: 'refused', unscoped: 'refused' },
};

let database: TestDatabase;
let orm: MikroORM;
let rows: ScopedRows;
/** Who does something; null: code that forgot to say. */
let actors: Record<string, Owner | null>;
let people: { ours: string; somebody: string; bystander: Owner };

beforeAll(async () => {
  database = await createScopedDatabase();
  orm = await ormOf(database);
  rows = await ScopedRows.of(database, orm);
  const [own, other, third] = [await rows.aTenant(), await rows.aTenant(), await rows.aTenant()];
  const [ours, somebody, stranger] = [await rows.aUser(), await rows.aUser(), await rows.aUser()];
  people = { ours, somebody, bystander: { tenantId: third, userId: stranger } };
  actors = {
    own: { tenantId: own, userId: ours },
    other: { tenantId: other, userId: ours },
    alone: { tenantId: null, userId: ours },
    stranger: { tenantId: null, userId: somebody },
    unscoped: null,
  };
});

/** What comes of it in each way in which it can be done. */
async function outcomesOf(group: Group, operation: Operation, meta: EntityMetadata, owner: Owner, who: string[]) {
  const found: Record<string, Outcomes> = {};
  for (const inTransaction of group.inTransaction ? [true] : [false, true])
    for (const filters of group.filtered ? [true, { scope: false as const }] : [true]) {
      const way = `${inTransaction ? 'in' : 'without'} a transaction, filter ${filters === true ? 'on' : 'off'}`;
      found[way] = {};
      for (const name of who)
        found[way][name] = await outcomeOf(operation, {
          meta,
          owner,
          who: actors[name] ?? null,
          filters,
          inTransaction,
        });
    }
  return found;
}

interface Cell extends Pick<Attempt, 'filters'> {
  meta: EntityMetadata;
  owner: Owner;
  who: Owner | null;
  inTransaction: boolean;
}

async function outcomeOf(operation: Operation, { meta, owner, who, filters, inTransaction }: Cell): Promise<Outcome> {
  await rows.clear(meta);
  // where an owner has one row only, a new one needs its place
  const isFirst = isOneForOwner(meta) && Object.values(INSERTS).includes(operation);
  const row = isFirst ? ((await rows.dataOf(meta, owner)) as Data & { id: string }) : await rows.insert(meta, owner);
  const bystander = await rows.insert(meta, people.bystander);
  // a pair of tenant and user may have one row only
  const fresh = await rows.dataOf(
    meta,
    owner.userId === people.somebody ? { ...owner, userId: await rows.aUser() } : owner,
  );
  const em = orm.em.fork();
  if (who) enterScope(em, who);
  const attempt = { meta: meta as never, row, fresh, filters, elsewhere: people.bystander.tenantId as string };
  const before = await rows.all(meta);
  const answer = await (inTransaction
    ? transaction(em, (own) => operation({ em: own, ...attempt }))
    : operation({ em, ...attempt })
  ).catch((error: Error) => error);
  const touched = [...(Array.isArray(answer) ? answer : []), ...changedIn(before, await rows.all(meta))];
  if (touched.includes(bystander.id)) return 'leaks';
  if (answer instanceof Error) return touched.length > 0 ? 'leaks' : nameOf(answer);
  return touched.includes(row.id) || touched.includes(fresh.id) ? 'works' : 'nothing';
}

const isOneForOwner = ({ uniques }: EntityMetadata) =>
  uniques.some(({ properties }) => String(properties) === 'ownerId');

type Rows = Awaited<ReturnType<ScopedRows['all']>>;

/** The ids of rows that came, went or were written. */
function changedIn(before: Rows, after: Rows): string[] {
  const versions = (all: Rows) => new Map(all.map((row) => [row.id, row.xmin]));
  const [was, is] = [versions(before), versions(after)];
  return [...new Set([...was.keys(), ...is.keys()])].filter((id) => was.get(id) !== is.get(id));
}

function nameOf(error: Error): Outcome {
  // the query builder throws what the driver says
  if (/violates row-level security policy/.test(error.message)) return 'refused';
  if (error.message.startsWith("No arguments provided for filter 'scope'")) return 'no scope';
  throw error;
}

/** Without the filter code that forgot to say is not stopped by the ORM: it finds nothing. */
function expectedOf(group: Group, outcomes: Outcomes): Record<string, Outcomes> {
  const unfiltered = Object.fromEntries(
    Object.entries(outcomes).map(([who, outcome]) => [who, outcome === 'no scope' ? 'nothing' : outcome]),
  ) as Outcomes;
  const ways = (group.inTransaction ? ['in'] : ['without', 'in']).flatMap((how) => [
    [`${how} a transaction, filter on`, outcomes],
    ...(group.filtered ? [[`${how} a transaction, filter off`, unfiltered]] : []),
  ]);
  return Object.fromEntries(ways) as Record<string, Outcomes>;
}

const application = await MikroORM.init(ormOptions('postgres://nobody@127.0.0.1:1/nothing'));
const OURS = scopedEntities(application).map(({ meta, scope }) => [meta.className, scope] as const);
const ALL = [
  ...OURS,
  ['ScratchDraft', 'OwnerScoped'],
  ['ScratchFolder', 'TenantScoped'],
  ['ScratchPage', 'TenantScoped'],
] as [string, ScopeName][];

/** Each operation of each group, with what is expected of it. */
const cellsOf = (expected: Expected) =>
  Object.entries(GROUPS).flatMap(([name, group]: [string, Group]) =>
    Object.entries(group.operations).map(([title, operation]) => ({
      title,
      group,
      operation,
      outcomes: expected[name as keyof Expected],
    })),
  );

const metaOf = (name: string) =>
  scopedEntities(orm).find(({ meta }) => meta.className === name)?.meta as EntityMetadata;

describe('the entities of this test', () => {
  it('are all that are scoped, and as scoped as ours', async () => {
    const scoped = scopedEntities(orm).map(({ meta, scope }) => [meta.className, scope]);
    expect(new Set(scoped.map(String))).toEqual(new Set(ALL.map(String)));
    expect(await faultsOf(database, orm)).toEqual([]);
  });
});

describe.each(ALL)('a row of %s, of a tenant (%s)', (name) => {
  it.each(cellsOf(OF_TENANT))('$title', async ({ group, operation, outcomes }) => {
    const owner = { tenantId: actors.own?.tenantId ?? null, userId: people.somebody };
    const found = await outcomesOf(group, operation, metaOf(name), owner, Object.keys(outcomes));
    expect(found).toEqual(expectedOf(group, outcomes));
  });
});

describe.each(ALL.filter(([, scope]) => scope === 'PersonalTenantScoped'))('a row of %s, of a person', (name) => {
  it.each(cellsOf(OF_PERSON))('$title', async ({ group, operation, outcomes }) => {
    const owner = { tenantId: actors.own?.tenantId ?? null, userId: people.ours };
    const found = await outcomesOf(group, operation, metaOf(name), owner, Object.keys(outcomes));
    expect(found).toEqual(expectedOf(group, outcomes));
  });
});

describe.each(ALL.filter(([, scope]) => scope === 'OwnerScoped'))(
  'a row of %s, of a person without a tenant',
  (name) => {
    it.each(cellsOf(OF_USER))('$title', async ({ group, operation, outcomes }) => {
      const owner = { tenantId: null, userId: people.ours };
      const found = await outcomesOf(group, operation, metaOf(name), owner, Object.keys(outcomes));
      expect(found).toEqual(expectedOf(group, outcomes));
    });
  },
);

/** An EntityManager of that scope. */
function emOf(scope: Scope | null, of: MikroORM = orm): EntityManager {
  const em = of.em.fork();
  if (scope) enterScope(em, scope);
  return em;
}

const tenantOf = (name: string) => actors[name]?.tenantId as string;
const scopeNamed = (name: string) => actors[name] ?? null;

describe('a row that does not say whose it is', () => {
  it.each([
    ['ScratchFolder', 'own', 'own'],
    ['ScratchFolder', 'other', 'other'],
    ['ScratchDraft', 'own', 'own'],
  ])('of %s becomes, as %s, that tenant’s', async (name, who, whose) => {
    const meta = metaOf(name);
    const { tenantId: _, ownerId: __, ...data } = await rows.dataOf(meta, actors.own as Owner);
    await emOf(scopeNamed(who)).insert(meta.class, data);
    const row = (await rows.all(meta)).find(({ id }) => id === data.id);
    expect(row?.tenant_id ?? row?.owner_id).toBe(tenantOf(whose));
  });

  it('becomes the user’s where the entity knows of users, else is refused', async () => {
    const [draft, folder] = [metaOf('ScratchDraft'), metaOf('ScratchFolder')];
    const { ownerId: _, ...data } = await rows.dataOf(draft, actors.own as Owner);
    await emOf(scopeNamed('alone')).insert(draft.class, data);
    expect((await rows.all(draft)).find(({ id }) => id === data.id)?.owner_id).toBe(people.ours);
    const inserted = emOf(scopeNamed('alone')).insert(folder.class, { id: randomUUID(), name: 'x' });
    await expect(inserted).rejects.toThrow(RowLevelSecurityViolationException);
  });
});

describe('the filter alone, without the policies', () => {
  let unbound: MikroORM;

  beforeAll(async () => {
    unbound = await ormOf({ url: database.adminUrl });
  });

  it.each(ALL)('narrows %s to its tenant', async (name) => {
    const meta = metaOf(name);
    await rows.clear(meta);
    const { id } = await rows.insert(meta, { tenantId: tenantOf('own'), userId: people.somebody });
    await rows.insert(meta, people.bystander);
    const found = async (scope: Scope, filters: boolean) =>
      (await emOf(scope, unbound).find(meta.class, {}, { filters: { scope: filters } })).length;
    const own = await emOf(actors.own as Scope, unbound).find(meta.class as never, {});
    expect(own).toMatchObject([{ id }]);
    expect(await found(actors.other as Scope, true)).toBe(0);
    expect(await found(actors.alone as Scope, true)).toBe(0);
    expect(await found(actors.own as Scope, false)).toBe(2);
  });
});

describe('a row that refers to another', () => {
  let folders: Record<'own' | 'other', string>;

  beforeAll(async () => {
    for (const name of ['ScratchPage', 'ScratchFolder']) await rows.clear(metaOf(name));
    const [own, other] = [
      await rows.insert(metaOf('ScratchFolder'), actors.own as Owner),
      await rows.insert(metaOf('ScratchFolder'), actors.other as Owner),
    ];
    folders = { own: own.id, other: other.id };
  });

  const aPage = (who: string, folder: string) => ({ id: randomUUID(), text: 'x', tenantId: tenantOf(who), folder });

  it('finds that of its own tenant, whichever way', async () => {
    const page = aPage('own', folders.own);
    await emOf(scopeNamed('own')).insert(Page, page);
    for (const strategy of ['joined', 'select-in'] as const)
      for (const filters of [true, false]) {
        const options = { populate: ['folder'] as const, strategy, filters: { scope: filters } };
        const [mine] = await emOf(scopeNamed('own')).find(Page, { id: page.id }, options);
        expect(mine?.folder.id).toBe(folders.own);
        expect(mine?.folder.name).toMatch(/^name /);
        expect(await emOf(scopeNamed('other')).find(Page, { id: page.id }, options)).toEqual([]);
      }
  });

  it('shows nothing of another tenant’s to who holds its id', async () => {
    for (const filters of [true, false]) {
      const em = emOf(scopeNamed('other'));
      const page = em.merge(Page, aPage('other', folders.own));
      await em.populate([page], ['folder'], { filters: { scope: filters } });
      expect(JSON.stringify(page)).not.toContain('name ');
    }
  });

  it('cannot refer to one of another tenant, by insert or by update', async () => {
    const em = emOf(scopeNamed('own'));
    em.create(Page, aPage('own', folders.other));
    await expect(em.flush()).rejects.toThrow(ForeignKeyConstraintViolationException);
    const page = aPage('own', folders.own);
    await emOf(scopeNamed('own')).insert(Page, page);
    const moved = emOf(scopeNamed('own')).nativeUpdate(Page, { id: page.id }, { folder: folders.other });
    await expect(moved).rejects.toThrow(ForeignKeyConstraintViolationException);
    const sql = emOf(scopeNamed('own')).execute('update scratch_pages set folder_id = ? where id = ?', [
      folders.other,
      page.id,
    ]);
    await expect(sql).rejects.toThrow(ForeignKeyConstraintViolationException);
  });

  it('goes with it, and with nobody else’s', async () => {
    const [ours, theirs] = [aPage('own', folders.own), aPage('other', folders.other)];
    await emOf(scopeNamed('own')).insert(Page, ours);
    await emOf(scopeNamed('other')).insert(Page, theirs);
    expect(await emOf(scopeNamed('own')).nativeDelete(Folder, { id: folders.other }, { filters: false })).toBe(0);
    expect(await emOf(scopeNamed('own')).nativeDelete(Folder, {}, { filters: false })).toBe(1);
    const left = (await rows.all(metaOf('ScratchPage'))).map(({ id }) => id);
    expect([left.includes(ours.id), left.includes(theirs.id)]).toEqual([false, true]);
  });
});

/** The names of the tenant's folders, by plain SQL, as nobody but PostgreSQL narrows it. */
async function seenBy(em: EntityManager): Promise<string[]> {
  return (await em.execute<Named[]>('select name from scratch_folders order by name')).map(({ name }) => name);
}

/** One folder for each of the three tenants. */
async function oneFolderEach(): Promise<void> {
  for (const name of ['ScratchPage', 'ScratchFolder']) await rows.clear(metaOf(name));
  for (const [name, owner] of [
    ['ours', actors.own],
    ['theirs', actors.other],
    ['third', people.bystander],
  ] as const)
    await emOf(owner as Scope).insert(Folder, { id: randomUUID(), name });
}

describe('code that forgot its scope', () => {
  beforeAll(oneFolderEach);

  it('cannot ask the global EntityManager', async () => {
    await expect(orm.em.find(Folder, {})).rejects.toThrow(/global EntityManager/);
    expect(() => enterScope(orm.em as EntityManager, actors.own as Scope)).toThrow(/global EntityManager/);
  });

  it('sees nothing beside the EntityManager, though that has one', async () => {
    const em = emOf(scopeNamed('own'));
    expect(await seenBy(em)).toEqual(['ours']);
    expect(
      await em
        .getKysely()
        .selectFrom('scratch_folders' as never)
        .selectAll()
        .execute(),
    ).toEqual([]);
    expect(await em.getConnection().execute('select * from scratch_folders')).toEqual([]);
    await expect(em.stream(Folder, {}).next()).rejects.toThrow(/transaction/);
  });

  it('sees nothing on a connection that just served a tenant', async () => {
    const one = await ormOf(database, 1);
    expect(await seenBy(emOf(scopeNamed('own'), one))).toEqual(['ours']);
    expect(await seenBy(emOf(null, one))).toEqual([]);
    await asTenant(emOf(null, one), tenantOf('own'), async () => {
      throw new Error('half-way');
    }).catch(() => undefined);
    expect(await seenBy(emOf(null, one))).toEqual([]);
  });

  it('cannot empty a table', async () => {
    for (const who of ['own', 'unscoped'])
      await expect(emOf(scopeNamed(who)).execute('truncate scratch_folders cascade')).rejects.toThrow(
        /permission denied/,
      );
  });
});

describe('asTenant', () => {
  beforeAll(oneFolderEach);

  it('works as the tenant in a transaction of its own, and leaves the EntityManager as it was', async () => {
    const em = emOf(scopeNamed('own'));
    expect(await asTenant(em, tenantOf('other'), seenBy)).toEqual(['theirs']);
    expect([await seenBy(em), scopeOf(em)]).toEqual([['ours'], actors.own]);
  });

  it.each([
    ['success', async () => undefined],
    [
      'an error',
      async () => {
        throw new Error('half-way');
      },
    ],
    [
      'a refusal by the database, which a savepoint took back',
      async (em: EntityManager) => {
        const refused = em.transactional((own) =>
          own.execute('insert into scratch_folders (id, tenant_id, name) values (?, ?, ?)', [
            randomUUID(),
            tenantOf('own'),
            'x',
          ]),
        );
        await expect(refused).rejects.toThrow(RowLevelSecurityViolationException);
        expect(await seenBy(em)).toEqual(['theirs']);
      },
    ],
  ])('inside a transaction gives its scope back after %s', async (_, end) => {
    await transaction(emOf(scopeNamed('own')), async (em) => {
      const visit = asTenant(em, tenantOf('other'), async (other) => {
        expect([await seenBy(other), scopeOf(other).tenantId]).toEqual([['theirs'], tenantOf('other')]);
        expect(await other.find(Folder, {})).toHaveLength(1);
        await end(other);
      });
      await visit.catch(() => undefined);
      expect([await seenBy(em), scopeOf(em)]).toEqual([['ours'], actors.own]);
      expect(await em.find(Folder, {})).toMatchObject([{ name: 'ours' }]);
    });
  });

  it('gives it back where a statement failed and the transaction around it goes on', async () => {
    await transaction(emOf(scopeNamed('own')), async (em) => {
      const failed = em.transactional((own) =>
        asTenant(own, tenantOf('other'), (other) => other.execute('select 1 / 0')),
      );
      await expect(failed).rejects.toThrow(/division by zero/);
      expect(await seenBy(em)).toEqual(['ours']);
    });
  });

  it('nests', async () => {
    await transaction(emOf(null), async (em) => {
      const seen = await asTenant(em, tenantOf('own'), async (own) => [
        await asTenant(own, tenantOf('other'), seenBy),
        await seenBy(own),
        await asUser(own, people.ours, seenBy),
        await seenBy(own),
      ]);
      expect([...seen, await seenBy(em)]).toEqual([['theirs'], ['ours'], [], ['ours'], []]);
    });
  });

  it('refuses two tenants side by side in one transaction, which would see each other’s rows', async () => {
    const seen: [string | null, string[]][] = [];
    const look = async (em: EntityManager) => {
      for (let i = 0; i < 5; i++) seen.push([scopeOf(em).tenantId, await seenBy(em)]);
    };
    const both = transaction(emOf(null), async (em) => {
      await Promise.all([asTenant(em, tenantOf('own'), look), asTenant(em, tenantOf('other'), look)]);
    });
    await expect(both).rejects.toThrow(/the work of one scope ends before that of the next begins/);
    const names: Record<string, string[]> = { [tenantOf('own')]: ['ours'], [tenantOf('other')]: ['theirs'] };
    for (const [tenantId, found] of seen) expect([tenantId, found]).toEqual([tenantId, names[tenantId ?? '']]);
  });

  it('knows no entity of the EntityManager around it, nor that one its', async () => {
    await transaction(emOf(scopeNamed('own')), async (em) => {
      const [mine] = await em.find(Folder, {});
      await asTenant(em, tenantOf('other'), async (other) => {
        expect(other.getUnitOfWork().getById(Folder, mine?.id as never)).toBeUndefined();
        expect(await other.findOne(Folder, { id: mine?.id as string })).toBeNull();
        expect(await other.find(Folder, {})).toHaveLength(1);
      });
      expect([...em.getUnitOfWork().getIdentityMap()]).toEqual([mine]);
    });
  });

  it('writes what was pending before as whose it was, and what is pending inside as the tenant', async () => {
    const [before, inside] = [randomUUID(), randomUUID()];
    await transaction(emOf(scopeNamed('own')), async (em) => {
      em.create(Page, {
        id: before,
        text: 'before',
        folder: em.create(Folder, { id: randomUUID(), name: 'pending' }),
      } as never);
      await asTenant(em, tenantOf('other'), async (other) => {
        const [folder] = await other.find(Folder, {});
        other.create(Page, { id: inside, text: 'inside', folder } as never);
      });
    });
    const pages = await rows.all(metaOf('ScratchPage'));
    const whose = (id: string) => pages.find((page) => page.id === id)?.tenant_id;
    expect([whose(before), whose(inside)]).toEqual([tenantOf('own'), tenantOf('other')]);
  });

  it('is where injected EntityManagers are, and their forks', async () => {
    const injected = orm.em as EntityManager;
    const visit = async () => [
      await seenBy(injected),
      await seenBy(injected.fork()),
      await transaction(injected.fork(), seenBy),
    ];
    const theirs = [['theirs'], ['theirs'], ['theirs']];
    expect(await asTenant(emOf(scopeNamed('own')), tenantOf('other'), visit)).toEqual(theirs);
    await transaction(emOf(null), async (em) => expect(await asTenant(em, tenantOf('other'), visit)).toEqual(theirs));
    const seen = await transaction(emOf(people.bystander), (em) => asTenant(em, tenantOf('other'), visit));
    expect(seen).toEqual(theirs);
  });
});

describe('asUser', () => {
  it('shows a person the own rows wherever they are, and nothing else', async () => {
    const meta = metaOf('Membership');
    await rows.clear(meta);
    for (const owner of [actors.own, actors.other, people.bystander]) await rows.insert(meta, owner as Owner);
    const count = (em: EntityManager) => em.count(meta.class);
    expect(await asUser(emOf(null), people.ours, count)).toBe(2);
    expect(await asUser(emOf(people.bystander), people.ours, count)).toBe(2);
    expect(await asUser(emOf(null), people.somebody, count)).toBe(0);
  });
});

describe('forEachTenant', () => {
  let separate: TestDatabase;
  let own: MikroORM;
  let tenants: string[];

  beforeAll(async () => {
    separate = await createScopedDatabase();
    own = await ormOf(separate);
    await separate.query(
      "insert into tenants (id, clerk_id) select gen_random_uuid(), 'org_' || n from generate_series(1, 1203) as n",
    );
    await separate.query("update tenants set deleted_at = now() where clerk_id in ('org_7', 'org_800')");
    tenants = (await separate.query<{ id: string }>('select id from tenants where deleted_at is null order by id')).map(
      ({ id }) => id,
    );
  });

  it('runs once as each living tenant', async () => {
    const seen: string[] = [];
    await forEachTenant(own.em.fork(), async (em, tenantId) => {
      const [row] = await em.execute<{ id: string }[]>("select current_setting('app.tenant_id') as id");
      expect([row?.id, scopeOf(em).tenantId]).toEqual([tenantId, tenantId]);
      seen.push(tenantId);
    });
    expect(seen).toEqual(tenants);
  });

  it('keeps what the others did when one fails, tries all, and tells of each that failed', async () => {
    const bad = [tenants[3], tenants[900]] as string[];
    const done = forEachTenant(own.em.fork(), async (em, tenantId) => {
      await em.insert(Folder, { id: randomUUID(), name: 'x' });
      if (bad.includes(tenantId)) throw new Error('no ink');
    });
    const error: unknown = await done.catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(AggregateError);
    const { errors, message } = error as AggregateError;
    expect(errors.map((one: Error) => [one.message, (one.cause as Error).message])).toEqual(
      bad.map((id) => [`Tenant ${id}: no ink`, 'no ink']),
    );
    expect(message).toBe(bad.map((id) => `Tenant ${id}: no ink`).join('; '));
    const wrote = await separate.query<{ id: string }>('select tenant_id as id from scratch_folders order by 1');
    expect(wrote.map(({ id }) => id)).toEqual(tenants.filter((id) => !bad.includes(id)));
  });
});

interface Named {
  name: string;
}

/** What a team writes: whatever comes in, it notes which projects it sees, as whom, with the EntityManager it is given and an injected one. */
@Injectable()
class Watcher {
  static readonly seen: { by: string; tenantId: string | null; names: string[] }[] = [];

  constructor(
    private readonly em: EntityManager,
    private readonly jobs: Jobs,
  ) {}

  @Job('watch')
  async watch({ by }: { by: string }, em: EntityManager): Promise<void> {
    await this.#note(by, em);
  }

  /** Enqueues for the tenant that it runs as. */
  @Job('watch.again')
  async again({ by }: { by: string }, em: EntityManager): Promise<void> {
    await this.jobs.enqueue(em, 'watch', { by });
  }

  @OnClerkEvent('organizationMembership.created', 'user.created')
  async hear({ type }: ClerkEvent<'organizationMembership.created' | 'user.created'>, em: EntityManager) {
    await this.#note(type, em);
  }

  async #note(by: string, em: EntityManager): Promise<void> {
    const sql = 'select name from projects';
    const seen = [...(await em.execute<Named[]>(sql)), ...(await this.em.execute<Named[]>(sql))];
    Watcher.seen.push({ by, tenantId: scopeOf(em).tenantId, names: seen.map(({ name }) => name) });
  }
}

describe('work without a request', () => {
  let clerk: TestClerk;
  let app: TestApp;
  let tenant: { id: string; organizationId: string };

  beforeAll(async () => {
    clerk = await TestClerk.start();
    app = await startApp(clerk, {}, undefined, (env): Type => {
      @Module({ imports: modulesOf(readSettings(env)), providers: [...requestChain, Watcher] })
      class TestModule {}
      return TestModule;
    });
    const organizationId = clerk.anOrganization().id;
    tenant = { id: await aTenantOf(organizationId), organizationId };
    await aTenantOf(clerk.anOrganization().id);
  });

  /** With one project, named as the organization. */
  async function aTenantOf(clerkId: string): Promise<string> {
    const id = randomUUID();
    await app.database.query('insert into tenants (id, clerk_id) values ($1, $2)', [id, clerkId]);
    await asTenant(app.orm.em.fork(), id, (em) => em.insert(Project, { id: randomUUID(), name: clerkId }));
    return id;
  }

  async function namesOf(by: string) {
    for (;;) {
      const seen = Watcher.seen.filter((one) => one.by === by);
      if (seen.length > 0) return seen;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }

  const jobs = () => app.app.get(Jobs);

  it('is of the tenant whose work enqueued it, and so is what that enqueues', async () => {
    const own = { tenantId: tenant.id, names: [tenant.organizationId, tenant.organizationId] };
    await asTenant(app.orm.em.fork(), tenant.id, (em) => jobs().enqueue(em, 'watch', { by: 'tenant' }));
    expect(await namesOf('tenant')).toEqual([{ by: 'tenant', ...own }]);
    await transaction(app.orm.em.fork(), (em) =>
      asTenant(em, tenant.id, (inside) => jobs().enqueue(inside, 'watch.again', { by: 'chain' })),
    );
    expect(await namesOf('chain')).toEqual([{ by: 'chain', ...own }]);
  });

  it('is nobody’s where no tenant’s work enqueued it, and sees no scoped row', async () => {
    await transaction(app.orm.em.fork(), (em) => jobs().enqueue(em, 'watch', { by: 'nobody' }));
    expect(await namesOf('nobody')).toEqual([{ by: 'nobody', tenantId: null, names: [] }]);
  });

  it('never is of a tenant that its data names', async () => {
    const data = { by: 'itself', tenantId: tenant.id };
    const nobodys = transaction(app.orm.em.fork(), (em) => jobs().enqueue(em, 'watch', data));
    await expect(nobodys).rejects.toThrow(/runs as the tenant whose work enqueues it/);
    const others = asTenant(app.orm.em.fork(), randomUUID(), (em) => jobs().enqueue(em, 'watch', data));
    await expect(others).rejects.toThrow(/runs as the tenant whose work enqueues it/);
    await asTenant(app.orm.em.fork(), tenant.id, (em) => jobs().enqueue(em, 'watch', data));
    expect(await namesOf('itself')).toMatchObject([{ tenantId: tenant.id }]);
  });

  it('for an event of a membership is the tenant’s, for an event of a user nobody’s', async () => {
    const user = clerk.aUser();
    const membership = clerk.aMembership({ id: tenant.organizationId }, user);
    await clerk.deliver(app.url, clerk.anEvent('user.created', user));
    await clerk.deliver(app.url, clerk.anEvent('organizationMembership.created', membership));
    expect(await namesOf('user.created')).toEqual([{ by: 'user.created', tenantId: null, names: [] }]);
    expect(await namesOf('organizationMembership.created')).toEqual([
      {
        by: 'organizationMembership.created',
        tenantId: tenant.id,
        names: [tenant.organizationId, tenant.organizationId],
      },
    ]);
  });
});

describe('behind a pooler in transaction mode', () => {
  let separate: TestDatabase;
  let pooled: MikroORM;
  let tenants: string[];

  /** Writes one row and looks, statement by statement and in a transaction, which sometimes fails; then as nobody. */
  async function turn(tenantId: string, fails: boolean): Promise<number> {
    const em = emOf({ tenantId, userId: null }, pooled);
    await em.insert(Folder, { id: randomUUID(), name: tenantId });
    expect(new Set(await seenBy(em))).toEqual(new Set([tenantId]));
    let backend = 0;
    const work = transaction(em, async (own) => {
      [{ backend }] = await own.execute<[{ backend: number }]>('select pg_backend_pid() as backend');
      expect(new Set(await seenBy(own))).toEqual(new Set([tenantId]));
      if (fails) throw new Error('half-way');
    });
    await work.catch((error: Error) => expect(error.message).toBe('half-way'));
    expect(await seenBy(emOf(null, pooled))).toEqual([]);
    return backend;
  }

  it('tenants that share two connections see their own rows', async () => {
    separate = await createScopedDatabase();
    const pooler = await startPgBouncer(separate.url, { connections: 2 });
    if (!pooler) {
      console.warn('SKIPPED: there is no pgbouncer on this machine (apt-get install pgbouncer)');
      return;
    }
    pooled = await ormOf(pooler, 20);
    tenants = Array.from({ length: 10 }, () => randomUUID());
    for (const id of tenants) await separate.query('insert into tenants (id, clerk_id) values ($1, $2)', [id, id]);
    const backends = new Set<number>();
    for (let round = 0; round < 20; round++)
      for (const backend of await Promise.all(tenants.map((id) => turn(id, round % 3 === 0)))) backends.add(backend);
    expect(backends.size).toBe(2);
    const written = await separate.query('select count(*)::int as n from scratch_folders where name = tenant_id::text');
    expect(written).toEqual([{ n: 200 }]);
  });
});

interface Plan {
  'Node Type': string;
  'Index Cond'?: string;
  Plans?: Plan[];
}

describe('among 200 tenants with 22,000 rows PostgreSQL', () => {
  let runtime: Client;
  let someone: { tenantId: string; userId: string };
  let id: string;

  beforeAll(async () => {
    const separate = await createScopedDatabase();
    await separate.query(`
      insert into tenants (id, clerk_id) select gen_random_uuid(), 'org_' || n from generate_series(1, 200) as n;
      insert into users (id, clerk_id) select gen_random_uuid(), 'user_' || n from generate_series(1, 110) as n;
      insert into projects (id, tenant_id, name) select gen_random_uuid(), t.id, 'x' from tenants t, users;
      insert into scratch_drafts (id, owner_id, text) select gen_random_uuid(), t.id, 'x' from tenants t, users;
      insert into memberships (id, tenant_id, user_id, role) select gen_random_uuid(), t.id, u.id, 'x' from tenants t, users u`);
    for (const table of ['projects', 'scratch_drafts', 'memberships']) await separate.query(`vacuum analyze ${table}`);
    const [row] = await separate.query<{ id: string; tenantId: string; userId: string }>(
      'select p.id, p.tenant_id as "tenantId", u.id as "userId" from projects p, users u limit 1',
    );
    if (!row) throw new Error('There are no rows');
    [someone, id] = [{ tenantId: row.tenantId, userId: row.userId }, row.id];
    runtime = new Client({ connectionString: separate.url });
    await runtime.connect();
    onClose(() => runtime.end());
  });

  /** The nodes of the plan that the runtime role gets, in that scope. */
  async function planOf(sql: string, { tenantId = '', userId = '' }): Promise<Plan[]> {
    await runtime.query('begin');
    const settings = "select set_config('app.tenant_id', $1, true), set_config('app.user_id', $2, true)";
    await runtime.query(settings, [tenantId, userId]);
    const explained = await runtime.query<{ 'QUERY PLAN': [{ Plan: Plan }] }>(`explain (format json) ${sql}`);
    await runtime.query('rollback');
    const nodesOf = (plan: Plan): Plan[] => [plan, ...(plan.Plans ?? []).flatMap(nodesOf)];
    return explained.rows.flatMap((row) => nodesOf(row['QUERY PLAN'][0].Plan));
  }

  /** The conditions by which an index is read; a table that is read whole is one too. */
  function conditionsOf(plan: Plan[]): string {
    return plan.map((node) => node['Index Cond'] ?? (node['Node Type'] === 'Seq Scan' ? 'all of it' : '')).join(' ');
  }

  const NEWEST = 'order by id desc limit 50';

  it.each([
    ['lists', 'tenant_id', `select * from projects ${NEWEST}`],
    ['counts', 'tenant_id', 'select count(*) from projects'],
    ['finds one', 'id', 'select * from projects where id = $id'],
    ['lists what is its owner’s', 'owner_id', `select * from scratch_drafts ${NEWEST}`],
    ['lists the members', 'tenant_id', `select * from memberships where tenant_id = $tenant ${NEWEST}`],
  ])('%s by %s, in an index', async (_, column, sql) => {
    const { tenantId } = someone;
    const plan = await planOf(sql.replace('$id', `'${id}'`).replace('$tenant', `'${tenantId}'`), { tenantId });
    expect(conditionsOf(plan)).toContain(`(${column} = `);
    expect(conditionsOf(plan)).not.toContain('all of it');
  });

  it.each([
    ['without a tenant', false, 'select * from memberships'],
    ['with one', true, 'select * from memberships'],
    ['without a tenant, by name', false, 'select * from memberships where user_id = $user'],
    ['with one, by name', true, 'select * from memberships where user_id = $user'],
  ])('finds a person’s memberships by the person, %s', async (_, isActive, sql) => {
    const { userId } = someone;
    const plan = await planOf(sql.replace('$user', `'${userId}'`), isActive ? someone : { userId });
    expect(conditionsOf(plan)).toContain('(user_id = ');
    expect(conditionsOf(plan)).not.toContain('all of it');
  });
});
