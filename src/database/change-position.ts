export type ChangeRow = { id: string; topic: string; key: string };

/** Which transactions ran when the log was read: all before `oldest` had ended, `next` and all after it not begun. */
type Running = { oldest: string; next: string };

/** A change as `query` finds it; of nulls alone where there is none. */
export type FoundRow = Running & (ChangeRow | Record<keyof ChangeRow, null>);

const BATCH = 1000;
/** How far back a process looks at its start for ids whose transactions have not ended yet. */
const LOOK_BACK = 1000;
const MAX_GAPS = 10_000;

/** The rows and what ran come of one statement, so of one moment. */
const found = (changes: string) => `
  select id, topic, key, pg_snapshot_xmin(moment)::text as oldest, pg_snapshot_xmax(moment)::text as next
  from pg_current_snapshot() as moment left join (select id, topic, key from changes ${changes}) as found on true`;
const LATEST = found('order by id desc limit $1');
const NEW = found('where id > $1 or id = any($2::bigint[]) order by id limit $3');

/**
 * Where a reader stands in the change log. Ids are given before commit, so a higher id may appear first: an id that was
 * passed over stays a gap, and is asked for again until it appears or every transaction that ran then has ended. Time says
 * nothing: no time-out bounds a COMMIT. One that takes an id has written before, so it is known to run.
 */
export class ChangePosition {
  #last: number | undefined;
  /** For each id the transaction that began next when it was passed over. */
  readonly #gaps = new Map<number, bigint>();
  /** The same for ids that are not followed one by one: too far back, or too many. */
  #unfollowed: bigint | undefined;

  query(): [string, unknown[]] {
    if (this.#last === undefined) return [LATEST, [LOOK_BACK]];
    return [NEW, [this.#last, [...this.#gaps.keys()], BATCH]];
  }

  /** Takes the rows that `query` found. `missed`: ids were not followed one by one, so everything remembered is in doubt. */
  advance(rows: FoundRow[]): { changes: ChangeRow[]; more: boolean; missed: boolean } {
    const first = this.#last === undefined;
    const changes = rows.filter((row): row is Running & ChangeRow => row.id !== null);
    const [oldest, next] = [BigInt(rows[0]?.oldest ?? 0), BigInt(rows[0]?.next ?? 0)];
    let missed = this.#follow(changes, next);
    const more = !first && changes.length === BATCH;
    // what is full may lack rows that are there
    if (!more && this.#giveUp(oldest)) missed ||= !first;
    return { changes: first ? [] : changes, more, missed };
  }

  /** Answers whether there were too many gaps. */
  #follow(rows: ChangeRow[], next: bigint): boolean {
    const ids = rows.map((row) => Number(row.id)).toSorted((a, b) => a - b);
    if (this.#last === undefined && ids.length === LOOK_BACK) this.#unfollowed = next;
    this.#last ??= Math.max((ids[0] ?? 1) - 1 - (LOOK_BACK - ids.length), 0);
    let missed = false;
    for (const id of ids) {
      if (this.#gaps.delete(id)) continue;
      if (id - this.#last - 1 + this.#gaps.size > MAX_GAPS) {
        missed = true;
        this.#unfollowed = next;
        this.#last = Math.max(this.#last, id - 1 - LOOK_BACK);
        for (const gap of this.#gaps.keys()) if (gap < id - LOOK_BACK) this.#gaps.delete(gap);
      }
      for (let gap = this.#last + 1; gap < id; gap++) this.#gaps.set(gap, next);
      this.#last = id;
    }
    return missed;
  }

  /** Forgets ids that can appear no more; answers whether ids that were not followed have appeared by now, if ever. */
  #giveUp(oldest: bigint): boolean {
    for (const [gap, next] of this.#gaps) if (next <= oldest) this.#gaps.delete(gap);
    if (this.#unfollowed === undefined || this.#unfollowed > oldest) return false;
    this.#unfollowed = undefined;
    return true;
  }
}
