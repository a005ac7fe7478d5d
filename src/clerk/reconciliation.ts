import type { EntityManager } from '@mikro-orm/postgresql';
import { CannotReconcile } from './cannot-reconcile.ts';
import { MAX_IDS } from './clerk-reader.service.ts';
import type { Tally } from './findings.ts';
import type { InstanceCheck } from './instance-check.service.ts';
import { beginRun, endRun, reconcilingAt } from './reconcile-run.ts';
import type { Subject, SubjectName } from './subject.ts';
import { SubjectPass, type Watch } from './subject-pass.ts';
import { SubjectRun } from './subject-run.ts';

const EVER = new Date('9999-12-31');

export interface ReconcileOptions {
  /** Repairs what it finds; otherwise it only tells. */
  applies: boolean;
  /** Of all subjects together. */
  maxDeletions: number;
  /** Begins anew, wherever the last run was stopped. */
  restart: boolean;
}

/** `interrupted`: the next run goes on. `too-many`: everything but the deletions, of which there is none. */
export interface Outcome {
  end: 'done' | 'interrupted' | 'too-many';
  tallies: Map<SubjectName, Tally>;
}

/** Compares what Clerk has with our copy, and repairs that: for whatever events did not do. */
export class Reconciliation {
  readonly #em: EntityManager;
  readonly #instances: InstanceCheck;
  readonly #subjects: Subject[];

  /** In the order in which they depend on each other. */
  constructor(em: EntityManager, instances: InstanceCheck, subjects: Subject[]) {
    this.#em = em;
    this.#instances = instances;
    this.#subjects = subjects;
  }

  /**
   * One run. Something is deleted here only when Clerk's instance is ours and Clerk says of this very object that there is
   * none; never what is away from a list. Throws CannotReconcile, or what Clerk or the database said; then the next goes on.
   */
  async run(options: ReconcileOptions, watch: Watch, signal: AbortSignal): Promise<Outcome> {
    await this.#checkInstance(signal);
    const begun = await beginRun(this.#em.fork(), options);
    if (begun.isResumed) watch.goesOn(begun.startedAt);
    const runs = this.#subjects.map((subject) => {
      const run = begun.runs.get(subject.name);
      if (!run) throw new Error(`No run was begun for ${subject.name}`);
      return new SubjectRun(this.#em, subject, run, (finding) => watch.found(subject.name, finding));
    });
    try {
      for (const run of runs) await new SubjectPass({ em: this.#em, run, watch, signal }).go();
    } catch (error) {
      if (!signal.aborted) throw error;
      return { end: 'interrupted', tallies: talliesOf(runs) };
    }
    const orphans = runs.reduce((sum, { now }) => sum + now.tally.orphaned.count, 0);
    const isTooMany = options.applies && orphans > options.maxDeletions;
    if (options.applies && !isTooMany) for (const run of runs) await run.endOrphans();
    await endRun(this.#em.fork());
    return { end: isTooMany ? 'too-many' : 'done', tallies: talliesOf(runs) };
  }

  /** The one way back for what is deleted here and alive at Clerk: by an operator's word. Throws CannotReconcile. */
  async revive(key: string): Promise<void> {
    await this.#checkInstance();
    const subject = this.#subjects.find((each) => each.isKey(key));
    if (!subject)
      throw new CannotReconcile(`${key}: is no id of a user or an organization, nor org_…/user_… for a membership`);
    await subject.revive(key, reconcilingAt(new Date()));
  }

  /** Throws CannotReconcile unless the secret key is of our instance. */
  async #checkInstance(signal = new AbortController().signal): Promise<void> {
    const { asked, ours } = await this.#instances.ask(signal);
    if (ours && ours !== asked)
      throw new CannotReconcile(
        `CLERK_SECRET_KEY: is of the instance ${asked}, but our users are of ${ours}; nothing was changed`,
      );
    if (ours) return;
    const unknown = await this.#unrecognized(signal);
    if (unknown.length > 0)
      throw new CannotReconcile(
        `CLERK_SECRET_KEY: its instance ${asked} knows none of our ${unknown.join(' and ')}; if it is ours all the same, set CLERK_INSTANCE_ID=${asked}`,
      );
    await this.#instances.remember(asked);
  }

  /**
   * Where it was never noted which instance is ours, our rows tell: that it knows one of some, or that there are none. There
   * is no membership without a user.
   */
  async #unrecognized(signal: AbortSignal): Promise<SubjectName[]> {
    const unknown: SubjectName[] = [];
    for (const subject of this.#subjects.filter(({ name }) => name !== 'memberships')) {
      const ours = await subject.ours(this.#em.fork(), EVER, '');
      if (!ours) continue;
      const { there } = await subject.ask(ours.keys.slice(0, MAX_IDS), signal);
      if (there.length > 0) return [];
      unknown.push(subject.name);
    }
    return unknown;
  }
}

function talliesOf(runs: SubjectRun[]): Outcome['tallies'] {
  return new Map(runs.map(({ now }) => [now.subject, now.tally]));
}
