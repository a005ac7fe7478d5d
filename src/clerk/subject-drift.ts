import type { EntityManager } from '@mikro-orm/postgresql';
import type { FindingKind } from './findings.ts';
import type { Said, Standing, Subject } from './subject.ts';

/** Something of Clerk's whose row here is not as it should be. */
export interface Drift<Theirs> {
  kind: Extract<FindingKind, 'missing' | 'stale' | 'revivable' | 'skipped'>;
  /** Its key. */
  id: string;
  theirs: Theirs;
}

/** Compares what Clerk just showed with our rows; with `lock` these stay as they are until the commit. */
export async function driftsOf<Theirs extends Said>(
  em: EntityManager,
  subject: Subject<Theirs>,
  shown: Theirs[],
  since: Date,
  { lock } = { lock: false },
): Promise<Drift<Theirs>[]> {
  const standings = await subject.standings(em, shown, { lock });
  return shown.flatMap((theirs): Drift<Theirs>[] => {
    const id = subject.keyOf(theirs);
    const kind = judge(standings.get(id), theirs.updated_at ?? 0, since);
    return kind ? [{ kind, id, theirs }] : [];
  });
}

export function isRepairable({ kind }: Drift<Said>): boolean {
  return kind === 'missing' || kind === 'stale';
}

/** What changed since the run began, there or here, is on its way by an event: undefined or `skipped`. */
function judge(row: Standing | undefined, updatedAt: number, since: Date): Drift<Said>['kind'] | undefined {
  const isFresh = updatedAt >= since.getTime();
  if (!row) return isFresh ? 'skipped' : 'missing';
  const isTouched = row.touchedAt >= since;
  if (row.isOver) return isTouched ? undefined : 'revivable';
  if (row.isSame) return undefined;
  return isFresh || isTouched || row.isNewer ? 'skipped' : 'stale';
}
