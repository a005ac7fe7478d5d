import {
  FINDINGS,
  type Finding,
  type FindingKind,
  type List,
  type Outcome,
  type ReconcileOptions,
  type SubjectName,
  type Tally,
  type Watch,
} from '../clerk/index.ts';
import { type Progress, progressOn, type Terminal } from './progress.ts';
import { RECONCILE_CALL } from './reconcile-options.ts';
import { findingsOf, type PlansOutcome, summaryOf } from './reconcile-plans.ts';

/** Data goes to one, what it is doing to the other. */
export interface Output {
  stdout: NodeJS.WritableStream;
  stderr: Terminal;
}

type Name = SubjectName | 'plans';
type Counts = Record<FindingKind, number>;

/** Of more the count tells. */
const SHOWN = 20;

/** What --apply repairs. */
const DRIFTS: FindingKind[] = ['missing', 'stale', 'orphaned'];

const LABELS: Record<FindingKind, string> = {
  missing: 'missing here',
  stale: 'stale',
  orphaned: 'orphaned, not at Clerk any more',
  revivable: 'deleted here, alive at Clerk',
  unconfirmed: 'not in a list of Clerk, but not said to be gone',
  skipped: 'skipped, newer here or changed since the run began',
  unreadable: 'left out, cannot be read at Clerk',
};

/** Tells a run to its operator: ids and counts, never names or addresses. */
export class Report implements Watch {
  readonly #output: Output;
  readonly #options: ReconcileOptions & { json: boolean };
  readonly #progress: Progress;

  constructor(output: Output, options: ReconcileOptions & { json: boolean }) {
    this.#output = output;
    this.#options = options;
    this.#progress = progressOn(output.stderr);
  }

  goesOn(began: Date): void {
    this.#progress.note(`Going on with the run that began at ${began.toISOString()} and was stopped`);
  }

  walks({ subject, of, unit, total, done }: List): void {
    this.#progress.end();
    const isTheirs = of === 'theirs';
    this.#progress.note(
      isTheirs ? `Comparing Clerk's ${subject} with ours` : `Looking for ${subject} that Clerk lacks`,
    );
    this.#progress.begin(unit, total, done);
  }

  walked(done: number): void {
    this.#progress.at(done);
  }

  found(subject: SubjectName, { kind, id }: Finding): void {
    if (this.#options.json) this.#line(JSON.stringify({ subject, kind, id }));
  }

  revived(id: string): void {
    this.#line(this.#options.json ? JSON.stringify({ revived: id }) : `${id} is alive here again`);
  }

  /** Answers the exit code. */
  ended({ end, tallies }: Outcome, plans?: PlansOutcome): number {
    this.close();
    const { applies: applied, json } = this.#options;
    const counts = sumOf([...tallies.values()].map(countsOf));
    const subjects = Object.fromEntries([...tallies].map(([subject, tally]) => [subject, countsOf(tally)]));
    const lines = json
      ? [...findingsOf(plans), { end, applied, counts, subjects, ...(plans && { plans: summaryOf(plans) }) }].map(
          (each) => JSON.stringify(each),
        )
      : [
          ...[...tallies].flatMap(([subject, tally]) => linesOf(subject, tally)),
          ...(plans ? linesOfPlans(plans) : []),
          this.#lastLine(end, counts, plans),
        ];
    for (const line of lines) this.#line(line);
    const isAway = plans !== undefined && 'notCompared' in plans && !plans.isReached;
    const isComplete = unreadableIn(counts, plans) === 0 && (!applied || counts.unconfirmed === 0);
    return end === 'done' && isComplete && !isAway ? 0 : 1;
  }

  close(): void {
    this.#progress.end();
  }

  #lastLine(end: Outcome['end'], counts: Counts, plans?: PlansOutcome): string {
    const { orphaned, revivable, unconfirmed, skipped } = counts;
    const { applies, maxDeletions } = this.#options;
    if (end === 'interrupted') return 'Stopped; run the same command again to go on.';
    if (end === 'too-many')
      return `Nothing was deleted: ${count(orphaned)} orphans are more than ${maxDeletions}. To delete them: ${RECONCILE_CALL} --apply --max-deletions ${orphaned}`;
    const unreadable = unreadableIn(counts, plans);
    if (driftsIn(counts) + findingsOf(plans).filter(({ kind }) => DRIFTS.includes(kind)).length === 0)
      return unreadable > 0 ? 'Nothing to do but for what cannot be read.' : 'Nothing to do.';
    const isLeft = revivable + unconfirmed + skipped + unreadable > 0;
    if (applies) return isLeft ? 'What could be repaired was; the rest was left as it is.' : 'All of it was repaired.';
    return `Nothing was changed. To repair it: ${RECONCILE_CALL} --apply`;
  }

  #line(line: string): void {
    this.#output.stdout.write(`${line}\n`);
  }
}

function driftsIn(counts: Counts): number {
  return DRIFTS.reduce((sum, kind) => sum + counts[kind], 0);
}

function unreadableIn({ unreadable }: Counts, plans: PlansOutcome | undefined): number {
  return unreadable + (plans && 'tally' in plans ? plans.tally.unreadable.count : 0);
}

function linesOfPlans(plans: PlansOutcome): string[] {
  if ('notCompared' in plans) return [`plans: not compared: ${plans.notCompared}`];
  const asked = plans.asked > 0 ? [`subscriptions: the service reads those of ${count(plans.asked)} payers again`] : [];
  return [...linesOf('plans', plans.tally), ...asked];
}

function countsOf(tally: Tally): Counts {
  return countsBy((kind) => tally[kind].count);
}

function sumOf(all: Counts[]): Counts {
  return countsBy((kind) => all.reduce((sum, counts) => sum + counts[kind], 0));
}

function countsBy(numberOf: (kind: FindingKind) => number): Counts {
  return Object.fromEntries(FINDINGS.map((kind) => [kind, numberOf(kind)])) as Counts;
}

/** What is wrong by kind, and of the rest what there is. */
function linesOf(subject: Name, tally: Tally): string[] {
  return FINDINGS.flatMap((kind) =>
    DRIFTS.includes(kind) || tally[kind].count > 0
      ? [`${subject} ${labelOf(subject, kind)}: ${count(tally[kind].count)}`, ...idsOf(tally[kind]), ...hintOf(kind)]
      : [],
  );
}

function labelOf(subject: Name, kind: FindingKind): string {
  return subject === 'memberships' ? LABELS[kind].replace('deleted', 'ended') : LABELS[kind];
}

function hintOf(kind: FindingKind): string[] {
  return kind === 'revivable' ? [`  to bring one back: ${RECONCILE_CALL} --revive ID`] : [];
}

function idsOf({ count: all, ids }: { count: number; ids: string[] }): string[] {
  const shown = ids.slice(0, SHOWN);
  const more = all > shown.length ? [`  and ${count(all - shown.length)} more`] : [];
  return [...shown.map((id) => `  ${id}`), ...more];
}

function count(number: number): string {
  return number.toLocaleString('en');
}
