import { z } from 'zod';

const MAX_LIMIT = 100;
const DEFAULT_LIMIT = 20;

/** In digits alone: a number is written in one way, so `1e2`, `0x10` and `1.0` are none. */
const Limit = z
  .string()
  .refine(
    (text) => /^[1-9]\d{0,2}$/.test(text) && Number(text) <= MAX_LIMIT,
    `must be a whole number from 1 to ${MAX_LIMIT}`,
  )
  .default(String(DEFAULT_LIMIT))
  .meta({ type: 'integer', default: DEFAULT_LIMIT, minimum: 1, maximum: MAX_LIMIT })
  .transform(Number);

/**
 * The query of every list: `@Query({ schema: ListQuery }) query: ListQuery`. A list with more in its query extends it; one
 * with an id in its `.meta()` would lose its parameters in the OpenAPI document.
 */
export const ListQuery = z.strictObject({
  limit: Limit,
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
