import { KeptList, type TestsOf } from './kept-list.ts';
import type { Kept } from './kept-order.ts';

/** Things in one list and, by each of these names, in the lists of those that share it: all memberships and a tenant's. */
export class GroupedList<T extends Kept & Record<Name, string>, Filter, Name extends string> {
  readonly all: KeptList<T, Filter>;
  readonly #testsOf: TestsOf<T, Filter>;
  readonly #groups: Map<Name, Map<string, KeptList<T, Filter>>>;

  constructor(testsOf: TestsOf<T, Filter>, names: Name[]) {
    this.#testsOf = testsOf;
    this.all = new KeptList(testsOf);
    this.#groups = new Map(names.map((name) => [name, new Map<string, KeptList<T, Filter>>()]));
  }

  of(name: Name, value: string): KeptList<T, Filter> {
    return this.#groups.get(name)?.get(value) ?? new KeptList(this.#testsOf);
  }

  add(thing: T): void {
    this.all.add(thing);
    for (const [name, lists] of this.#groups) {
      const list = this.of(name, thing[name]);
      list.add(thing);
      lists.set(thing[name], list);
    }
  }

  change(thing: T, facts: Partial<T>): void {
    this.remove(thing);
    this.add(Object.assign(thing, facts));
  }

  remove(thing: T): void {
    this.all.remove(thing.id);
    for (const [name, lists] of this.#groups) {
      lists.get(thing[name])?.remove(thing.id);
      if (lists.get(thing[name])?.size === 0) lists.delete(thing[name]);
    }
  }
}
