import { EntityManager } from '@mikro-orm/postgresql';
import { Inject, Injectable } from '@nestjs/common';
import { type Claimed, type Counted, type HeldSeat, LocalEntitlements } from '../auth/index.ts';
import { SETTINGS, type Settings } from '../config/index.ts';
import { ChangeLog, Followed } from '../database/index.ts';
import { type Allowance, FOR_GOOD } from './allowance.ts';
import { BILLING_CHANGED } from './billing-mirror.service.ts';
import { type BillingSnapshot, loadBilling } from './billing-snapshot.ts';
import { askOnce } from './doubts.ts';
import type { Entitled } from './entitled.ts';
import { ENTITLEMENT_BOOK, type EntitlementBook } from './entitlement-book.ts';
import { monthOf } from './month.ts';
import type { Payer } from './payer.ts';
import { PLANS_CHANGED } from './plans.service.ts';
import { holdSeat, letSeatGo } from './seats.ts';
import { countedOf, WorkedEntitlements } from './worked-entitlements.ts';

const MAX_PAYERS = 10_000;

/** What each payer is allowed, and why: from memory, which follows the change log, by the book and the clock. */
@Injectable()
export class Entitlements extends LocalEntitlements {
  readonly #snapshots: Followed<BillingSnapshot>;
  readonly #asked = new WeakSet<BillingSnapshot>();
  readonly #worked: WorkedEntitlements;

  constructor(
    private readonly em: EntityManager,
    changes: ChangeLog,
    @Inject(ENTITLEMENT_BOOK) private readonly book: EntitlementBook,
    @Inject(SETTINGS) { billingGraceMs }: Settings,
  ) {
    super();
    this.#worked = new WorkedEntitlements(book, billingGraceMs);
    const load = (clerkId: string) => loadBilling(em.fork(), clerkId);
    this.#snapshots = new Followed(changes, {
      topic: BILLING_CHANGED,
      ground: PLANS_CHANGED,
      max: MAX_PAYERS,
      load,
      mayLag: true,
    });
  }

  async of({ clerkId }: Pick<Payer, 'clerkId'>): Promise<Entitled> {
    return this.#entitledOf(await this.snapshotOf(clerkId));
  }

  /** Throws for a meter that the book does not have. */
  async allowanceOf(payer: Payer, meter: string): Promise<Allowance> {
    if (!this.hasMeter(meter)) throw new Error(`There is no meter ${meter}: add it to meters in src/entitlements.ts`);
    const snapshot = await this.snapshotOf(payer.clerkId);
    const { limit = 0, isHard = true } = this.#entitledOf(snapshot).entitlements.get(meter) ?? {};
    if (this.book.meters[meter] === 'total') return { meter, limit, isHard, periodStart: FOR_GOOD, resetsAt: null };
    const { start, end } = monthOf(snapshot.subscription?.startedAt ?? null, new Date(Date.now()));
    return { meter, limit, isHard, periodStart: start, resetsAt: end };
  }

  /**
   * Has the provider asked about a payer of whom it never told: one from before our time may be on another plan than the
   * default one. What was consumed is to be there before an answer can come: so it is part of the transaction that is open,
   * or else follows the counting.
   */
  async askAbout({ clerkId }: Payer): Promise<void> {
    const snapshot = await this.snapshotOf(clerkId);
    if (snapshot.isMirrored || this.#asked.has(snapshot)) return;
    // a transaction may yet be undone, and the question with it
    if (!this.em.isInTransaction()) this.#asked.add(snapshot);
    await askOnce(this.em, snapshot.payer).catch((error: unknown) => {
      this.#asked.delete(snapshot);
      throw error;
    });
  }

  /** From the tables, for who has just changed them. */
  async reload(clerkId: string): Promise<void> {
    await this.#snapshots.reload(clerkId);
  }

  get meters(): string[] {
    return Object.keys(this.book.meters);
  }

  /** The plan of a payer who pays for none. */
  defaultPlanOf({ kind }: Payer): string {
    return this.book.defaults[kind];
  }

  hasMeter(meter: string): boolean {
    return Object.hasOwn(this.book.meters, meter);
  }

  /** For the rules of routes; without I/O when the payer is remembered. */
  entitle(clerkId: string, claimed: Claimed): Counted | Promise<Counted> {
    const known = this.#snapshots.peek(clerkId);
    if (known) return this.#count(known, claimed);
    return this.#snapshots
      .find(clerkId)
      .then((found) => (found ? this.#count(found, claimed) : { ...claimed, isMirrored: false, denied: [] }));
  }

  async holdSeat(
    { id, clerkId }: { id: string; clerkId: string },
    count: (em: EntityManager) => Promise<number>,
  ): Promise<HeldSeat> {
    const tenant: Payer = { kind: 'tenant', id, clerkId };
    const { seats } = await this.of(tenant);
    if (seats === null) return { letGo: async () => undefined };
    const held = await holdSeat(this.em.fork(), tenant, seats, count);
    return { letGo: (em) => letSeatGo(em, tenant, held) };
  }

  /** Throws where the tenant or user is not here, or is deleted. */
  async snapshotOf(clerkId: string): Promise<BillingSnapshot> {
    const known = this.#snapshots.peek(clerkId);
    // in a transaction with its connection, and not remembered: a second one may not be had, and what it sees is not committed
    const load = () => (this.em.isInTransaction() ? loadBilling(this.em, clerkId) : this.#snapshots.find(clerkId));
    const snapshot = known ?? (await load());
    if (!snapshot) throw new Error(`There is no payer ${clerkId}`);
    return snapshot;
  }

  #entitledOf(snapshot: BillingSnapshot): Entitled {
    return this.#worked.of(snapshot).entitled;
  }

  #count(snapshot: BillingSnapshot, claimed: Claimed): Counted {
    const { entitled, own } = this.#worked.of(snapshot);
    return snapshot.isMirrored ? own : countedOf(entitled, snapshot, claimed);
  }
}
