/** What can be kept in an order; times in milliseconds. */
export interface Kept {
  id: string;
  created_at: number;
  updated_at: number;
}

export type Order = 'created_at' | 'updated_at';

/** So many at once are sorted rather than put in one by one. */
const MANY = 100;

/** Things by a time of theirs, oldest first; what is added is put in its place when somebody looks. */
export class KeptOrder<T extends Kept> {
  readonly #order: Order;
  #things: T[] = [];
  #added: T[] = [];

  constructor(order: Order) {
    this.#order = order;
  }

  add(thing: T): void {
    this.#added.push(thing);
  }

  /** To be called before a time of the thing changes, and `add` after. */
  remove(thing: T): void {
    const things = this.#added.includes(thing) ? this.#added : this.#things;
    const place = things === this.#things ? this.#placeOf(thing) : -1;
    const index = things[place] === thing ? place : things.indexOf(thing);
    if (index >= 0) things.splice(index, 1);
  }

  all(): T[] {
    const added = this.#added.splice(0);
    if (added.length > MANY) this.#things = [...this.#things, ...added].toSorted((a, b) => this.#compare(a, b));
    else for (const thing of added) this.#things.splice(this.#placeOf(thing), 0, thing);
    return this.#things;
  }

  #placeOf(thing: T): number {
    let [low, high] = [0, this.#things.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#compare(this.#things[middle] as T, thing) < 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #compare(a: T, b: T): number {
    return a[this.#order] - b[this.#order] || (a.id < b.id ? -1 : Number(a.id > b.id));
  }
}
