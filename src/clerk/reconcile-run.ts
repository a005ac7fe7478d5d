import type { EntityManager } from '@mikro-orm/postgresql';
import { transaction } from '../database/index.ts';
import { emptyTally, type Finding, type Tally, withFindings } from './findings.ts';
import { ReconcileProgress } from './reconcile-progress.entity.ts';
import { SUBJECTS, type SubjectName } from './subject.ts';

/** The part of a run that is about one subject, as it stands; each step makes the next one. */
export interface ReconcileRun {
  readonly subject: SubjectName;
  readonly applies: boolean;
  readonly phase: 'theirs' | 'ours' | 'done';
  readonly position: string;
  readonly walked: number;
  readonly tally: Tally;
  /** Of the whole run, by the database's clock. */
  readonly startedAt: Date;
}

/** `isResumed`: it began in an earlier process. */
interface Begun {
  runs: Map<SubjectName, ReconcileRun>;
  startedAt: Date;
  isResumed: boolean;
}

/** Goes on with the run that was stopped, or begins one. */
export async function beginRun(
  em: EntityManager,
  { applies, restart }: { applies: boolean; restart: boolean },
): Promise<Begun> {
  return transaction(em, async (own) => {
    const stopped = await own.find(ReconcileProgress, {}, { disableIdentityMap: true });
    const isWhole = SUBJECTS.every((name) => stopped.some(({ subject }) => subject === name));
    const isResumed = !restart && isWhole && stopped.every((progress) => progress.canGoOn(applies));
    if (isResumed) return begunOf(stopped, isResumed);
    await own.nativeDelete(ReconcileProgress, {});
    for (const subject of SUBJECTS) await own.insert(ReconcileProgress, { subject, applies, tally: emptyTally() });
    return begunOf(await own.find(ReconcileProgress, {}, { disableIdentityMap: true }), isResumed);
  });
}

/** The run with what was found and where it is now. */
export function advance(
  run: ReconcileRun,
  { findings = [], ...changes }: { findings?: Finding[] } & Partial<Omit<ReconcileRun, 'tally'>>,
): ReconcileRun {
  return { ...run, ...changes, tally: withFindings(run.tally, findings) };
}

/** In the caller's transaction, with what the step changed. */
export async function saveRun(em: EntityManager, { subject, phase, position, walked, tally }: ReconcileRun) {
  await em.nativeUpdate(ReconcileProgress, { subject }, { phase, position, walked, tally });
}

export async function endRun(em: EntityManager): Promise<void> {
  await em.nativeDelete(ReconcileProgress, {});
}

/**
 * Stands for an event's id where Clerk's API told us, asked by a run that began then: at equal times it is the last word,
 * after every event's (`msg_…`) and every earlier run's.
 */
export function reconcilingAt(began: Date): string {
  return `~reconcile ${began.toISOString()}`;
}

function begunOf(progresses: ReconcileProgress[], isResumed: boolean): Begun {
  const runs = progresses.map(({ subject, applies, phase, position, walked, startedAt, ...progress }): ReconcileRun => {
    // of an older release, which knew fewer kinds
    const tally = { ...emptyTally(), ...progress.tally };
    return { subject: subject as SubjectName, applies, phase, position, walked, tally, startedAt };
  });
  const [{ startedAt } = { startedAt: new Date() }] = runs;
  return { runs: new Map(runs.map((run) => [run.subject, run])), startedAt, isResumed };
}
