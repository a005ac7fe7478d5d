import type { EntityName, FilterQuery, FindOptions, Loaded } from '@mikro-orm/core';
import type { EntityManager } from '@mikro-orm/postgresql';
import { z } from 'zod';
import { decodeCursor, encodeCursor } from './cursor.ts';
import type { ListQuery, Page } from './pagination.ts';

const Id = z.uuid();

/**
 * A page of what fits, the latest first (by descending UUIDv7), in one statement. Throws `invalid_cursor` for a cursor that
 * no such list gave; one of another list only begins elsewhere.
 */
export async function listPage<Entity extends { id: string }, Hint extends string = never>(
  em: EntityManager,
  entity: EntityName<Entity>,
  where: FilterQuery<NoInfer<Entity>>,
  { limit, cursor }: Pick<ListQuery, 'limit' | 'cursor'>,
  options: Omit<FindOptions<NoInfer<Entity>, Hint>, 'orderBy' | 'limit' | 'offset' | 'using'> = {},
): Promise<Page<Loaded<Entity, Hint>>> {
  const before = cursor === undefined ? {} : { id: { $lt: decodeCursor(cursor, Id) } };
  const rows = await em.find<Entity, Hint>(entity, { $and: [where, before] } as FilterQuery<Entity>, {
    ...options,
    orderBy: { id: 'desc' } as never,
    // one more tells whether there is a next page
    limit: limit + 1,
  });
  const data = rows.slice(0, limit);
  const last = rows.length > limit ? data.at(-1) : undefined;
  return { data, nextCursor: last ? encodeCursor(last.id) : null };
}
