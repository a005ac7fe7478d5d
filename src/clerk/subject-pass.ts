import type { EntityManager } from '@mikro-orm/postgresql';
import { MAX_IDS } from './clerk-reader.service.ts';
import type { Finding } from './findings.ts';
import { Unreadable } from './readable.ts';
import type { Said, SubjectName } from './subject.ts';
import { batchesOf, type SubjectRun } from './subject-run.ts';
import type { Step } from './walk-by-creation.ts';

const AT_A_TIME = 500;

/** Which list is walked, how long it is and how much of it is done; Clerk's length is of the beginning. */
export interface List {
  subject: SubjectName;
  of: 'theirs' | 'ours';
  unit: SubjectName;
  total: number;
  done: number;
}

/** Who is told how a run goes. */
export interface Watch {
  /** With the run that began then and was stopped. */
  goesOn(began: Date): void;
  walks(list: List): void;
  /** So many of the list are done. */
  walked(done: number): void;
  found(subject: SubjectName, finding: Finding): void;
}

interface Needs<Theirs extends Said> {
  em: EntityManager;
  run: SubjectRun<Theirs>;
  watch: Watch;
  signal: AbortSignal;
}

/** One pass over a subject, from where the run stands to the end: first Clerk's list, then those of ours that it did not have. */
export class SubjectPass<Theirs extends Said> {
  readonly #needs: Needs<Theirs>;
  readonly #seen = new Set<string>();

  constructor(needs: Needs<Theirs>) {
    this.#needs = needs;
  }

  async go(): Promise<void> {
    const { run } = this.#needs;
    if (run.now.phase === 'done') return;
    await this.#walkTheirs();
    await this.#askForOurs();
    await run.move([], { phase: 'done' });
  }

  /**
   * Clerk's list, each compared with its row; what was created since the run began comes by an event. What an earlier process
   * compared is read again, so that Clerk need not be asked for each of it later.
   */
  async #walkTheirs(): Promise<void> {
    const { run, watch, signal } = this.#needs;
    const { subject, now } = run;
    const total = await subject.count(signal);
    watch.walks({ subject: subject.name, of: 'theirs', unit: subject.name, total, done: now.walked });
    const from = now.phase === 'theirs' ? Number(now.position) : Number.POSITIVE_INFINITY;
    const until = now.startedAt.getTime();
    for await (const step of subject.walk({ seen: this.#seen, from, until, total, signal })) {
      await this.#settle(step);
      signal.throwIfAborted();
    }
    if (run.now.phase === 'theirs') await run.move([], { phase: 'ours', position: '' });
  }

  /** A step may be long: it is stopped in the middle, and then compared anew by who goes on. */
  async #settle({ items, unreadable, position }: Step<Theirs>): Promise<void> {
    const { run, watch, signal } = this.#needs;
    const rest: Finding[] = unreadable.map((id) => ({ kind: 'unreadable', id }));
    let { walked } = run.now;
    for (const some of batchesOf(items, AT_A_TIME)) {
      if (walked > run.now.walked) signal.throwIfAborted();
      rest.push(...(await run.settle(some)));
      watch.walked((walked += some.length));
    }
    watch.walked((walked += unreadable.length));
    await run.move(rest, { position: String(position), walked });
  }

  /** Those of ours that the list did not have: Clerk is asked for each. */
  async #askForOurs(): Promise<void> {
    const { em, run, watch, signal } = this.#needs;
    const { subject, now } = run;
    const since = now.startedAt;
    const total = await subject.countOurs(em.fork(), since, now.position);
    watch.walks({ subject: subject.name, of: 'ours', unit: subject.unit, total, done: 0 });
    let done = 0;
    for (;;) {
      const ours = await subject.ours(em.fork(), since, run.now.position);
      if (!ours) return;
      const unseen = ours.keys.filter((key) => !this.#seen.has(key));
      for (const keys of batchesOf(unseen, MAX_IDS)) await this.#askFor(keys);
      await run.move([], { position: ours.position });
      watch.walked((done += ours.counted));
      signal.throwIfAborted();
    }
  }

  async #askFor(keys: string[]): Promise<void> {
    const { run, signal } = this.#needs;
    const { there, unlisted, refused } = await run.subject.ask(keys, signal);
    const findings: Finding[] = refused.map((id) => ({ kind: 'unconfirmed', id }));
    for (const id of unlisted) {
      const answer = await this.#confirm(id);
      if (answer instanceof Unreadable) findings.push(...this.#unreadable(id, answer));
      else if (typeof answer === 'object') there.push(answer);
      else findings.push({ kind: answer, id });
    }
    const rest = await run.settle(there);
    await run.move([...rest, ...findings], { position: keys.at(-1) ?? run.now.position });
    signal.throwIfAborted();
  }

  async #confirm(key: string): Promise<Theirs | Unreadable | 'orphaned' | 'unconfirmed'> {
    const { run, signal } = this.#needs;
    try {
      const answer = await run.subject.find(key, signal);
      return answer === 'absent' ? 'orphaned' : answer;
    } catch {
      signal.throwIfAborted();
      return 'unconfirmed';
    }
  }

  /** None where Clerk's list had it, under the id of Clerk's own. */
  #unreadable(key: string, { id }: Unreadable): Finding[] {
    return this.#seen.has(id) ? [] : [{ kind: 'unreadable', id: key }];
  }
}
