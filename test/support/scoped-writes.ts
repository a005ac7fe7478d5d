import { randomUUID } from 'node:crypto';
import type { EntityMetadata } from '@mikro-orm/core';
import type { Attempt, Operation } from './scoped-reads.ts';
import { columnOf, columnsOf } from './scoped-rows.ts';

const scopeProperty = (meta: EntityMetadata) => (meta.properties['ownerId' as never] ? 'ownerId' : 'tenantId');
const scopeColumn = (meta: EntityMetadata) => columnOf(meta, scopeProperty(meta));
/** A text that may be anything, else one that is unique. */
function textOf(meta: EntityMetadata): string {
  const unique = new Set(meta.uniques.flatMap(({ properties }) => properties));
  const texts = meta.props.filter((prop) => prop.columnTypes?.[0] === 'text' && !prop.nullable);
  const text = texts.find(({ name }) => !unique.has(name as never)) ?? texts[0];
  if (!text) throw new Error(`${meta.className} has no text that the matrix could change`);
  return text.name;
}

const changed = (meta: EntityMetadata) => ({ [textOf(meta)]: randomUUID() }) as never;
const moved = ({ meta, elsewhere }: Attempt) => ({ [scopeProperty(meta)]: elsewhere }) as never;
const where = ({ row }: Attempt) => ({ id: row.id }) as never;
/** By id, on the own account: whose it is is not said. */
function unnamed({ meta, row }: Attempt) {
  const { [scopeProperty(meta)]: _, ...rest } = row;
  return { ...rest, ...(changed(meta) as object) } as never;
}

/** As if it had been loaded. */
function merged({ em, meta, row }: Attempt): object {
  return em.merge(meta.class, row as never);
}

/** Through the filter, or not. */
export const CHANGES: Record<string, Operation> = {
  nativeUpdate: async (attempt) =>
    attempt.em.nativeUpdate(attempt.meta.class, where(attempt), changed(attempt.meta), { filters: attempt.filters }),
  nativeDelete: async (attempt) =>
    attempt.em.nativeDelete(attempt.meta.class, where(attempt), { filters: attempt.filters }),
};

export const RAW_CHANGES: Record<string, Operation> = {
  'flush of a change': async (attempt) => {
    Object.assign(merged(attempt), changed(attempt.meta));
    await attempt.em.flush();
  },
  'flush of a removal': async (attempt) => {
    attempt.em.remove(merged(attempt));
    await attempt.em.flush();
  },
  'query builder, update': async (attempt) =>
    attempt.em.createQueryBuilder(attempt.meta.class).update(changed(attempt.meta)).where(where(attempt)).execute(),
  'query builder, delete': async (attempt) =>
    attempt.em.createQueryBuilder(attempt.meta.class).delete(where(attempt)).execute(),
  'SQL, update': async ({ em, meta }) =>
    em.execute(`update ${meta.tableName} set ${columnOf(meta, textOf(meta))} = 'changed'`),
  'SQL, delete': async ({ em, meta }) => em.execute(`delete from ${meta.tableName}`),
};

export const MOVES: Record<string, Operation> = {
  'nativeUpdate to another': async (attempt) =>
    attempt.em.nativeUpdate(attempt.meta.class, where(attempt), moved(attempt), { filters: attempt.filters }),
};

export const RAW_MOVES: Record<string, Operation> = {
  'flush of a move': async (attempt) => {
    Object.assign(merged(attempt), moved(attempt));
    await attempt.em.flush();
  },
  'query builder, move': async (attempt) =>
    attempt.em.createQueryBuilder(attempt.meta.class).update(moved(attempt)).where(where(attempt)).execute(),
  'SQL, move': async ({ em, meta, row, elsewhere }) =>
    em.execute(`update ${meta.tableName} set ${scopeColumn(meta)} = ? where id = ?`, [elsewhere, row.id]),
};

/** With the name of whose it is to be. */
export const INSERTS: Record<string, Operation> = {
  'flush of a new one': async ({ em, meta, fresh }) => {
    em.create(meta.class, fresh as never);
    await em.flush();
  },
  insert: async ({ em, meta, fresh }) => em.insert(meta.class, fresh),
  insertMany: async ({ em, meta, fresh }) => em.insertMany(meta.class, [fresh] as never[]),
  'query builder, insert': async ({ em, meta, fresh }) =>
    em
      .createQueryBuilder(meta.class)
      .insert(fresh as never)
      .execute(),
  'SQL, insert': async ({ em, meta, fresh }) => {
    const columns = columnsOf(meta, fresh);
    const names = Object.keys(columns);
    await em.execute(
      `insert into ${meta.tableName} (${names.join(', ')}) values (${names.map(() => '?').join(', ')})`,
      Object.values(columns),
    );
  },
};

/** On the own account, onto a row that is there. */
export const UPSERTS: Record<string, Operation> = {
  upsert: async (attempt) => attempt.em.upsert(attempt.meta.class, unnamed(attempt), { onConflictFields: ['id'] }),
  upsertMany: async (attempt) =>
    attempt.em.upsertMany(attempt.meta.class, [unnamed(attempt)], { onConflictFields: ['id'] }),
  'query builder, upsert': async (attempt) =>
    attempt.em
      .createQueryBuilder(attempt.meta.class)
      .insert(unnamed(attempt))
      .onConflict('id' as never)
      .merge()
      .execute(),
};
