/**
 * What can be wrong with a row of ours. `revivable`: deleted here, alive there. `unconfirmed`: not in a list of Clerk's, but
 * not said to be gone either. `skipped`: differs, but changed since the run began. `unreadable`: Clerk has it, in a form that
 * cannot be read, so it was left out.
 */
export const FINDINGS = ['missing', 'stale', 'orphaned', 'revivable', 'unconfirmed', 'skipped', 'unreadable'] as const;
export type FindingKind = (typeof FINDINGS)[number];

export interface Finding {
  kind: FindingKind;
  /** Clerk's id; of a membership `org_…/user_…`. */
  id: string;
}

/** How many there are of each kind, and the first ids; all ids of the orphaned, which are deleted last of all. */
export type Tally = Record<FindingKind, { count: number; ids: string[] }>;

const SHOWN = 20;

export function emptyTally(): Tally {
  return Object.fromEntries(FINDINGS.map((kind) => [kind, { count: 0, ids: [] }])) as unknown as Tally;
}

/** The tally with these too. */
export function withFindings(tally: Tally, findings: Finding[]): Tally {
  const sum = structuredClone(tally);
  for (const { kind, id } of findings) {
    // what a run that goes on comes by again
    if (kind === 'unreadable' && sum[kind].ids.includes(id)) continue;
    sum[kind].count++;
    if (kind === 'orphaned' || sum[kind].ids.length < SHOWN) sum[kind].ids.push(id);
  }
  return sum;
}
