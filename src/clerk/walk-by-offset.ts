import { sortOut, Unreadable } from './readable.ts';
import { type Created, EMPTY_PAGES, type Step, timesOf } from './walk-by-creation.ts';

/** Of a page so many are asked for again with the next one. */
const OVERLAP = 50;
/** How far a walk goes back where a page does not join on. */
const BACK = 450;

interface Bounds<Item> {
  seen: Set<string>;
  keyOf: (item: Item) => string;
  from?: number;
  until?: number;
  /** How long the list was before the walk: what is beyond was created since. */
  total?: number;
}

/**
 * As walkByCreation, for a list that is paged by offset alone; `from` is one. What is deleted during the walk moves the rest
 * forward, so pages overlap, and where one does not begin with what was seen, the walk goes back. What it misses all the
 * same is not repaired in this run, and that is the worst: of what is here Clerk is asked by its id, and nobody is deleted
 * for being missed.
 */
export async function* walkByOffset<Item extends Created & object>(
  list: (offset: number) => Promise<(Item | Unreadable)[]>,
  { seen, keyOf, from = 0, until = Number.POSITIVE_INFINITY, total = Number.POSITIVE_INFINITY }: Bounds<Item>,
): AsyncGenerator<Step<Item>> {
  const gaps = new Set<number>();
  const nameOf = (item: Item | Unreadable) => (item instanceof Unreadable ? item.id : keyOf(item));
  let [offset, overlap, empty] = [0, 0, 0];
  while (empty < EMPTY_PAGES) {
    const page = await list(offset);
    const end = offset + page.length;
    const times = timesOf(page, 0);
    const fresh = page.flatMap((item, index) =>
      (times[index] ?? 0) < until && !seen.has(nameOf(item)) ? [{ item, place: offset + index }] : [],
    );
    // once for an offset: the list may be broken there, or have no firm order
    const isGap = overlap > 0 && !gaps.has(offset) && (page.length === 0 || fresh[0]?.place === offset);
    for (const { item } of fresh) seen.add(nameOf(item));
    if (isGap) gaps.add(offset);
    empty = page.length === 0 ? empty + 1 : 0;
    overlap = isGap ? 0 : Math.min(fresh.length > 0 ? OVERLAP : 1, page.length >> 1);
    offset = isGap ? Math.max(offset - BACK, 0) : end - overlap;
    const found = fresh.filter(({ place }) => place >= from).map(({ item }) => item);
    if (found.length > 0) yield { ...sortOut(found), position: offset };
    if (!isGap && (end >= total || (times.at(-1) ?? 0) >= until)) return;
  }
}
