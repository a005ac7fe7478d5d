import type { EntityManager } from '@mikro-orm/postgresql';
import { transaction } from '../database/index.ts';
import type { Finding } from './findings.ts';
import { advance, type ReconcileRun, reconcilingAt, saveRun } from './reconcile-run.ts';
import { BATCH, type Said, type Subject } from './subject.ts';
import { driftsOf, isRepairable } from './subject-drift.ts';

/** A run over a subject where it stands now: what it found, and what it does about that. Each step is saved with its effect. */
export class SubjectRun<Theirs extends Said = Said> {
  readonly subject: Subject<Theirs>;
  readonly #em: EntityManager;
  readonly #onFinding: (finding: Finding) => void;
  #now: ReconcileRun;

  constructor(
    em: EntityManager,
    subject: Subject<Theirs>,
    begun: ReconcileRun,
    onFinding: (finding: Finding) => void = () => undefined,
  ) {
    this.#em = em;
    this.subject = subject;
    this.#now = begun;
    this.#onFinding = onFinding;
  }

  get now(): ReconcileRun {
    return this.#now;
  }

  /** Compares, repairs if it may, and answers the rest, which is not noted yet. */
  async settle(shown: Theirs[]): Promise<Finding[]> {
    const drifts = await driftsOf(this.#em.fork(), this.subject, shown, this.#now.startedAt);
    const repairs = drifts.filter((drift) => this.#now.applies && isRepairable(drift));
    const inOrder = repairs.toSorted((a, b) => (a.id < b.id ? -1 : 1)).map(({ theirs }) => theirs);
    for (const batch of batchesOf(inOrder, BATCH)) await this.#repair(batch);
    return drifts.filter((drift) => !repairs.includes(drift)).map(({ kind, id }) => ({ kind, id }));
  }

  /** Notes findings and where it is now. */
  async move(findings: Finding[], changes: Partial<ReconcileRun>): Promise<void> {
    const next = advance(this.#now, { findings, ...changes });
    await saveRun(this.#em.fork(), next);
    this.#moved(next, findings);
  }

  /** Those of which Clerk said that they are gone, unless a row was touched since the run began. */
  async endOrphans(): Promise<void> {
    const { startedAt, tally } = this.#now;
    const word = { since: startedAt, eventId: reconcilingAt(startedAt) };
    for (const keys of batchesOf(tally.orphaned.ids.toSorted(), BATCH))
      await transaction(this.#em.fork(), (em) => this.subject.end(em, keys, { ...word, at: Date.now() }));
  }

  /** Compares anew under lock: an event may have come since. */
  async #repair(shown: Theirs[]): Promise<void> {
    const { startedAt } = this.#now;
    const [next, drifts] = await transaction(this.#em.fork(), async (em) => {
      const locked = await driftsOf(em, this.subject, shown, startedAt, { lock: true });
      const repaired = locked.filter(isRepairable).map(({ theirs }) => theirs);
      await this.subject.mirror(em, repaired, reconcilingAt(startedAt));
      const advanced = advance(this.#now, { findings: locked });
      await saveRun(em, advanced);
      return [advanced, locked];
    });
    this.#moved(next, drifts);
  }

  #moved(next: ReconcileRun, findings: Finding[]): void {
    this.#now = next;
    for (const { kind, id } of findings) this.#onFinding({ kind, id });
  }
}

export function batchesOf<Item>(items: Item[], size: number): Item[][] {
  return Array.from({ length: Math.ceil(items.length / size) }, (_, index) =>
    items.slice(index * size, (index + 1) * size),
  );
}
