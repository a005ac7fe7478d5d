import { type Kept, KeptOrder, type Order } from './kept-order.ts';

export interface Page {
  order: Order;
  descending: boolean;
  limit: number;
  offset: number;
}

/** What all must hold for a thing that a filter lets through. */
export type TestsOf<T, Filter> = (filter: Filter) => ((thing: T) => boolean)[];

/** Things by their id, in orders that are kept once somebody asked for them: a page of 100,000 costs a page. */
export class KeptList<T extends Kept, Filter> {
  readonly #things = new Map<string, T>();
  readonly #orders = new Map<Order, KeptOrder<T>>();
  readonly #testsOf: TestsOf<T, Filter>;

  constructor(testsOf: TestsOf<T, Filter>) {
    this.#testsOf = testsOf;
  }

  get size(): number {
    return this.#things.size;
  }

  get(id: string): T | undefined {
    return this.#things.get(id);
  }

  all(): IterableIterator<T> {
    return this.#things.values();
  }

  find(isIt: (thing: T) => boolean): T | undefined {
    for (const thing of this.#things.values()) if (isIt(thing)) return thing;
    return undefined;
  }

  /** Takes the place of one with the same id. */
  add(thing: T): void {
    this.remove(thing.id);
    this.#things.set(thing.id, thing);
    for (const order of this.#orders.values()) order.add(thing);
  }

  change(thing: T, facts: Partial<T>): void {
    for (const order of this.#orders.values()) order.remove(thing);
    Object.assign(thing, facts);
    for (const order of this.#orders.values()) order.add(thing);
  }

  remove(id: string): void {
    const thing = this.#things.get(id);
    if (!thing) return;
    this.#things.delete(id);
    for (const order of this.#orders.values()) order.remove(thing);
  }

  count(filter: Filter): number {
    const tests = this.#testsOf(filter);
    if (tests.length === 0) return this.size;
    return [...this.#things.values()].filter((thing) => tests.every((test) => test(thing))).length;
  }

  page(filter: Filter, page: Page): T[] {
    return this.pageAndCount(filter, page).data;
  }

  pageAndCount(filter: Filter, { order, descending, limit, offset }: Page): { data: T[]; count: number } {
    const things = this.#matching(filter, order);
    const count = things.length;
    const end = Math.max(count - offset, 0);
    const data = descending
      ? things.slice(Math.max(end - limit, 0), end).toReversed()
      : things.slice(offset, offset + limit);
    return { data, count };
  }

  /** Oldest first. Without a filter it is the kept order itself. */
  #matching(filter: Filter, order: Order): T[] {
    const tests = this.#testsOf(filter);
    const things = this.#ordered(order).all();
    return tests.length > 0 ? things.filter((thing) => tests.every((test) => test(thing))) : things;
  }

  #ordered(order: Order): KeptOrder<T> {
    const kept = this.#orders.get(order);
    if (kept) return kept;
    const made = new KeptOrder<T>(order);
    this.#orders.set(order, made);
    for (const thing of this.#things.values()) made.add(thing);
    return made;
  }
}
