/** How many empty pages in a row are the end: a single one may be a page that was cut off. */
export const EMPTY_PAGES = 2;

interface Created {
  id: string;
  /** Milliseconds. */
  created_at: number;
}

/** What is new in a page, and the position from which a walk goes on after it. */
export interface Step<Item> {
  items: Item[];
  position: number;
}

/**
 * Everything that is in a list by creation when the walk comes by, once, and created before a time: the end of a list that
 * grows may never be reached. A page may be short, and what was walked may be deleted meanwhile: each page begins with the
 * time at which the last one ended, and only where one time fills a page by an offset, of which half is asked for again. Of a
 * page of one there is no half: that one must be in its place still after the next was read, else all of its time is read anew.
 * `seen` gets the ids, also of what was created before `from`, a time too, which is not given.
 */
export async function* walkByCreation<Item extends Created>(
  list: (after: number, offset: number) => Promise<Item[]>,
  seen: Set<string>,
  { from = 0, until = Number.POSITIVE_INFINITY } = {},
): AsyncGenerator<Step<Item>> {
  let position = 0;
  let offset = 0;
  let empty = 0;
  let lonely: Item | undefined;
  while (empty < EMPTY_PAGES && position < until) {
    // one earlier, because "after" does not include the time itself
    const after = Math.max(position - 1, 0);
    const page = await list(after, offset);
    if (lonely && (await isMoved(lonely, list(after, offset - 1)))) {
      [offset, lonely] = [0, undefined];
      continue;
    }
    const fresh = page.filter(({ id, created_at: at }) => at < until && !seen.has(id));
    for (const { id } of fresh) seen.add(id);
    const last = page.at(-1)?.created_at ?? position;
    empty = page.length === 0 ? empty + 1 : 0;
    if (page.length > 0) lonely = page.length === 1 && last === position ? page[0] : undefined;
    offset = last > position ? 0 : offset + Math.ceil(page.length / 2);
    position = Math.max(position, last);
    const items = fresh.filter(({ created_at: at }) => at >= from);
    if (items.length > 0) yield { items, position };
  }
}

/** An empty page may be one that was cut off. */
async function isMoved({ id }: Created, place: Promise<Created[]>): Promise<boolean> {
  const [now] = await place;
  return now !== undefined && now.id !== id;
}
