export type ChangeRow = { id: string; topic: string; key: string };

const BATCH = 1000;
/** How far back a process looks at its start for ids whose transactions have not ended yet. */
const LOOK_BACK = 1000;
const MAX_GAPS = 10_000;
/** A transaction that took an id and has not committed by then is taken for rolled back. */
const GAP_MS = 15_000;

/**
 * Where a reader stands in the change log. Ids are given before commit, so a higher id may appear first: an id that was
 * passed over stays a gap and is asked for again until it appears or 15 s have gone by.
 */
export class ChangePosition {
  #last: number | undefined;
  readonly #gaps = new Map<number, number>();

  query(): [string, unknown[]] {
    if (this.#last === undefined) return ['select id, topic, key from changes order by id desc limit $1', [LOOK_BACK]];
    return [
      'select id, topic, key from changes where id > $1 or id = any($2::bigint[]) order by id limit $3',
      [this.#last, [...this.#gaps.keys()], BATCH],
    ];
  }

  /** Takes the rows that `query` found. `missed`: too many gaps to follow, so everything remembered is in doubt. */
  advance(rows: ChangeRow[], now: number): { changes: ChangeRow[]; more: boolean; missed: boolean } {
    const first = this.#last === undefined;
    const ids = rows.map((row) => Number(row.id)).toSorted((a, b) => a - b);
    this.#last ??= Math.max((ids[0] ?? 1) - 1 - (LOOK_BACK - rows.length), 0);
    let missed = false;
    for (const id of ids) {
      if (this.#gaps.delete(id)) continue;
      if (id - this.#last - 1 + this.#gaps.size > MAX_GAPS) {
        missed = true;
        this.#last = Math.max(this.#last, id - 1 - LOOK_BACK);
        for (const gap of this.#gaps.keys()) if (gap < id - LOOK_BACK) this.#gaps.delete(gap);
      }
      for (let gap = this.#last + 1; gap < id; gap++) this.#gaps.set(gap, now + GAP_MS);
      this.#last = id;
    }
    for (const [gap, until] of this.#gaps) if (until <= now) this.#gaps.delete(gap);
    return { changes: first ? [] : rows, more: !first && rows.length === BATCH, missed };
  }
}
