import { type EntityManager, type EntityName, type FilterQuery, LockMode } from '@mikro-orm/postgresql';
import { transaction } from '../database/index.ts';
import { CannotReconcile } from './cannot-reconcile.ts';
import { sortOut, Unreadable } from './readable.ts';
import type { Answers, Ending, Ours, Said, Standing, Subject, SubjectName, Walk } from './subject.ts';
import type { Step } from './walk-by-creation.ts';

const AT_A_TIME = 5000;

/** What the rows of users and tenants have. */
interface GlobalRow {
  clerkId: string;
  deletedAt?: Date | null;
  clerkUpdatedAt: number;
  updatedAt: Date;
}

/** An entity whose rows no tenant owns, and what is particular to it. */
interface Parts<Row extends GlobalRow, Theirs extends Said, Facts extends { updatedAt: number }> {
  name: SubjectName;
  /** Of Clerk's ids. */
  prefix: string;
  entity: EntityName<Row>;
  count(signal: AbortSignal): Promise<number>;
  walk(walk: Walk): AsyncIterable<Step<Theirs>>;
  /** Those of at most 100 that are there. */
  listOf(ids: string[], signal: AbortSignal): Promise<(Theirs | Unreadable)[]>;
  find(id: string, signal?: AbortSignal): Promise<Theirs | Unreadable | 'absent'>;
  factsOf(theirs: Theirs, eventId?: string): Facts;
  /** Whether the row shows that, whenever it was said. */
  shows(row: Row, facts: Facts): boolean;
  mirror: {
    mirror(em: EntityManager, facts: Facts): Promise<unknown>;
    delete(em: EntityManager, deletion: { clerkId: string; deletedAt: number; eventId: string }): Promise<void>;
    revive(em: EntityManager, facts: Facts, deletedAt: number): Promise<boolean>;
  };
  /** Brings back what ended with it. */
  revived?(id: string, eventId: string): Promise<void>;
}

/** Users or organizations, as they are reconciled; a key is Clerk's id. */
export class GlobalSubject<Row extends GlobalRow, Theirs extends Said, Facts extends { updatedAt: number }>
  implements Subject<Theirs>
{
  readonly #em: EntityManager;
  readonly #parts: Parts<Row, Theirs, Facts>;
  readonly #entity: EntityName<GlobalRow>;

  constructor(em: EntityManager, parts: Parts<Row, Theirs, Facts>) {
    this.#em = em;
    this.#parts = parts;
    this.#entity = parts.entity as unknown as EntityName<GlobalRow>;
  }

  get name(): SubjectName {
    return this.#parts.name;
  }

  get unit(): SubjectName {
    return this.#parts.name;
  }

  keyOf({ id }: Theirs): string {
    return id;
  }

  isKey(text: string): boolean {
    return text.startsWith(this.#parts.prefix) && !text.includes('/');
  }

  async count(signal: AbortSignal): Promise<number> {
    return this.#parts.count(signal);
  }

  walk(walk: Walk): AsyncIterable<Step<Theirs>> {
    return this.#parts.walk(walk);
  }

  async standings(em: EntityManager, theirs: Theirs[], { lock }: { lock: boolean }): Promise<Map<string, Standing>> {
    const said = new Map(theirs.map((each) => [each.id, this.#parts.factsOf(each)]));
    const rows = await this.#rows(em, { clerkId: { $in: [...said.keys()] } }, lock);
    return new Map(rows.map((row) => [row.clerkId, this.#standing(row, said.get(row.clerkId))]));
  }

  async mirror(em: EntityManager, theirs: Theirs[], eventId: string): Promise<void> {
    for (const each of theirs) await this.#parts.mirror.mirror(em, this.#parts.factsOf(each, eventId));
  }

  async countOurs(em: EntityManager, since: Date, after: string): Promise<number> {
    return em.count(this.#entity, untouched(since, { $gt: after }));
  }

  async ours(em: EntityManager, since: Date, after: string): Promise<Ours | undefined> {
    const rows = await em.find(this.#entity, untouched(since, { $gt: after }), {
      fields: ['clerkId'],
      orderBy: { clerkId: 'asc' },
      limit: AT_A_TIME,
      disableIdentityMap: true,
    });
    const keys = rows.map(({ clerkId }) => clerkId);
    const position = keys.at(-1);
    return position === undefined ? undefined : { keys, position, counted: keys.length };
  }

  async ask(ids: string[], signal: AbortSignal): Promise<Answers<Theirs>> {
    const { items: there } = sortOut(await this.#parts.listOf(ids, signal));
    const listed = new Set(there.map(({ id }) => id));
    return { there, unlisted: ids.filter((id) => !listed.has(id)), refused: [] };
  }

  async find(id: string, signal: AbortSignal): Promise<Theirs | Unreadable | 'absent'> {
    return this.#parts.find(id, signal);
  }

  async end(em: EntityManager, ids: string[], { since, at, eventId }: Ending): Promise<void> {
    const rows = await this.#rows(em, untouched(since, { $in: ids }), true);
    for (const { clerkId } of rows) await this.#parts.mirror.delete(em, { clerkId, deletedAt: at, eventId });
  }

  async revive(clerkId: string, eventId: string): Promise<void> {
    const row = await this.#em.fork().findOne(this.#entity, { clerkId });
    if (!row?.deletedAt) throw new CannotReconcile(`${clerkId}: is not deleted here`);
    const { clerkUpdatedAt: deletedAt } = row;
    const theirs = await this.#parts.find(clerkId);
    if (theirs === 'absent') throw new CannotReconcile(`${clerkId}: is not alive at Clerk`);
    if (theirs instanceof Unreadable) throw new CannotReconcile(`${clerkId}: what Clerk says of it cannot be read`);
    const facts = this.#parts.factsOf(theirs, eventId);
    const isRevived = await transaction(this.#em.fork(), (em) => this.#parts.mirror.revive(em, facts, deletedAt));
    if (!isRevived) throw new CannotReconcile(`${clerkId}: was deleted again meanwhile`);
    await this.#parts.revived?.(clerkId, eventId);
  }

  async #rows(em: EntityManager, where: FilterQuery<GlobalRow>, lock: boolean): Promise<GlobalRow[]> {
    const order = { orderBy: { clerkId: 'asc' as const }, disableIdentityMap: true };
    return em.find(this.#entity, where, { ...order, ...(lock && { lockMode: LockMode.PESSIMISTIC_WRITE }) });
  }

  #standing(row: GlobalRow, facts: Facts | undefined): Standing {
    const knows = facts === undefined ? 0 : row.clerkUpdatedAt - facts.updatedAt;
    const isSame = facts !== undefined && knows >= 0 && this.#parts.shows(row as Row, facts);
    return { isOver: Boolean(row.deletedAt), isSame, isNewer: knows > 0, touchedAt: row.updatedAt };
  }
}

/** Living. */
function untouched(since: Date, clerkId: { $gt: string } | { $in: string[] }): FilterQuery<GlobalRow> {
  return { deletedAt: null, updatedAt: { $lt: since }, clerkId };
}
