import { type EntityMetadata, LockMode, wrap } from '@mikro-orm/core';
import type { EntityManager } from '@mikro-orm/postgresql';
import type { Data } from './scoped-rows.ts';

/** One row, and who does something to it. */
export interface Attempt {
  em: EntityManager;
  meta: EntityMetadata<{ id: string }>;
  row: Data & { id: string };
  /** Of the same owner, in no row yet. */
  fresh: Data;
  /** Somebody else's, for the scope's column. */
  elsewhere: string;
  filters: boolean | { scope: false };
}

/** Answers the ids that it found, where it looks for some. */
export type Operation = (attempt: Attempt) => Promise<unknown>;

const idOf = (row: { id: string } | null) => (row ? [row.id] : []);
const where = ({ row }: Attempt) => ({ id: row.id }) as never;

/** Through the filter, or not. */
export const READS: Record<string, Operation> = {
  find: async ({ em, meta, filters }) => (await em.find(meta.class, {}, { filters })).map(({ id }) => id),
  findOne: async (attempt) =>
    idOf(await attempt.em.findOne(attempt.meta.class, where(attempt), { filters: attempt.filters })),
  findAndCount: async ({ em, meta, filters }) =>
    (await em.findAndCount(meta.class, {}, { filters }))[0].map(({ id }) => id),
  count: async (attempt) =>
    (await attempt.em.count(attempt.meta.class, where(attempt), { filters: attempt.filters })) > 0
      ? [attempt.row.id]
      : [],
};

export const RAW_READS: Record<string, Operation> = {
  'a reference': async ({ em, meta, row }) =>
    idOf((await wrap(em.getReference(meta.class, row.id as never)).init({ filters: { scope: false } })) as never),
  'query builder': async ({ em, meta }) =>
    (await em.createQueryBuilder(meta.class).select('*').getResult()).map(({ id }) => id),
  SQL: async ({ em, meta }) =>
    (await em.execute<{ id: string }[]>(`select id from ${meta.tableName}`)).map(({ id }) => id),
  'SQL that counts': async ({ em, meta, row }) => {
    const sql = `select count(*)::int as n from ${meta.tableName} where id = ?`;
    const [counted] = await em.execute<{ n: number }[]>(sql, [row.id]);
    return counted?.n ? [row.id] : [];
  },
};

/** What takes an open transaction. */
export const TRANSACTIONAL_READS: Record<string, Operation> = {
  stream: async ({ em, meta }) => {
    const ids: string[] = [];
    for await (const { id } of em.stream(meta.class, { filters: { scope: false } })) ids.push(id);
    return ids;
  },
  Kysely: async ({ em, meta }) =>
    (
      (await em
        .getKysely()
        .selectFrom(meta.tableName as never)
        .select('id' as never)
        .execute()) as { id: string }[]
    ).map(({ id }) => id),
};

/** To PostgreSQL these are updates. They take an open transaction. */
export const LOCKS: Record<string, Operation> = {
  'find for update': async (attempt) =>
    idOf(
      await attempt.em.findOne(attempt.meta.class, where(attempt), {
        filters: { scope: false },
        lockMode: LockMode.PESSIMISTIC_WRITE,
      }),
    ),
  'SQL for share': async ({ em, meta }) =>
    (await em.execute<{ id: string }[]>(`select id from ${meta.tableName} for share`)).map(({ id }) => id),
};
