import { sortOut, type Unreadable } from './readable.ts';

/** How many empty pages in a row are the end: a single one may be a page that was cut off. */
export const EMPTY_PAGES = 2;

export interface Created {
  /** Milliseconds. */
  created_at?: number | null | undefined;
}

/** What is new in a page, with the ids of what cannot be read, and the position from which a walk goes on after it. */
export interface Step<Item> {
  items: Item[];
  unreadable: string[];
  position: number;
}

/**
 * Everything that is in a list by creation when the walk comes by, once, and created before a time: the end of a list that
 * grows may never be reached. A page may be short, and what was walked may be deleted meanwhile: each page begins with the
 * time at which the last one ended, and only where one time fills a page by an offset, of which half is asked for again. Of a
 * page of one there is no half: that one must be in its place still after the next was read, else all of its time is read anew.
 * `seen` gets the ids, also of what was created before `from`, a time too, which is not given. No offset goes beyond `total`,
 * as long as the list was before the walk: one that never ends, and tells no times, would be walked for ever.
 */
export async function* walkByCreation<Item extends Created & { id: string }>(
  list: (after: number, offset: number) => Promise<(Item | Unreadable)[]>,
  seen: Set<string>,
  { from = 0, until = Number.POSITIVE_INFINITY, total = Number.POSITIVE_INFINITY } = {},
): AsyncGenerator<Step<Item>> {
  let position = 0;
  let offset = 0;
  let empty = 0;
  let lonely: Item | Unreadable | undefined;
  while (empty < EMPTY_PAGES && position < until && offset <= total) {
    // one earlier, because "after" does not include the time itself
    const after = Math.max(position - 1, 0);
    const page = await list(after, offset);
    if (lonely && (await isMoved(lonely, list(after, offset - 1)))) {
      [offset, lonely] = [0, undefined];
      continue;
    }
    const times = timesOf(page, position);
    const fresh = page.flatMap((item, index) => {
      const at = times[index] ?? position;
      return at < until && !seen.has(item.id) ? [{ item, at }] : [];
    });
    for (const { item } of fresh) seen.add(item.id);
    const last = times.at(-1) ?? position;
    empty = page.length === 0 ? empty + 1 : 0;
    if (page.length > 0) lonely = page.length === 1 && last === position ? page[0] : undefined;
    offset = last > position ? 0 : offset + Math.ceil(page.length / 2);
    position = Math.max(position, last);
    const found = fresh.filter(({ at }) => at >= from).map(({ item }) => item);
    if (found.length > 0) yield { ...sortOut(found), position };
  }
}

/** Of a page by creation; what does not tell its time counts as created with what stands before it. */
export function timesOf(page: (Created | Unreadable)[], start: number): number[] {
  let last = start;
  return page.map((item) => (last = ('created_at' in item ? item.created_at : undefined) ?? last));
}

/** An empty page may be one that was cut off. */
async function isMoved({ id }: { id: string }, place: Promise<{ id: string }[]>): Promise<boolean> {
  const [now] = await place;
  return now !== undefined && now.id !== id;
}
