import { z } from 'zod';

const MAX_LIMIT = 100;
const DEFAULT_LIMIT = 20;

/**
 * The query of every list: `@Query({ schema: ListQuery }) query: ListQuery`. A list with more in its query extends it; one
 * with an id in its `.meta()` would lose its parameters in the OpenAPI document.
 */
export const ListQuery = z.strictObject({
  limit: z.coerce.number<string>().int().min(1).max(MAX_LIMIT).default(DEFAULT_LIMIT),
  cursor: z.string().optional().meta({ description: '`nextCursor` of the page before' }),
});
export type ListQuery = z.output<typeof ListQuery>;

/** A part of a list, and how to get the next; null: this is the end. */
export interface Page<Item> {
  data: Item[];
  nextCursor: string | null;
}

/** The schema of a page, for `@ApiOkResponse({ standardSchema })` and `@SerializeOptions({ schema })`. */
export function pageOf<Item extends z.ZodType>(item: Item) {
  return z.object({ data: z.array(item), nextCursor: z.string().nullable() });
}
