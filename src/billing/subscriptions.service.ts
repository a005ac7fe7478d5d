import { EntityManager } from '@mikro-orm/postgresql';
import { Injectable } from '@nestjs/common';
import { LRUCache } from 'lru-cache';
import { asTenant, SingleFlight, transaction } from '../database/index.ts';
import { Problem } from '../http/index.ts';
import { requireAdmin } from '../tenants/index.ts';
import { isOver } from './access.ts';
import { BillingProvider } from './billing-provider.ts';
import type { BillingSnapshot } from './billing-snapshot.ts';
import { askAgain, CALL_S } from './doubts.ts';
import type { Entitled } from './entitled.ts';
import { Entitlements } from './entitlements.service.ts';
import type { Payer } from './payer.ts';
import { noSubscription, SubscriptionReader } from './subscription-reader.service.ts';

/** What the provider says of an item that is not as we had it. */
const OUTDATED: ReadonlySet<string> = new Set(['not_found', 'invalid_input', 'conflict']);

type Item = BillingSnapshot['items'][number];

/** How long a payer whom the provider does not know is not asked for again. */
const ABSENCE_MS = 60_000;
const MAX_ABSENT = 10_000;

/** The contracts of payers: read from our copy, changed at the provider. */
@Injectable()
export class Subscriptions {
  readonly #meeting = new SingleFlight<boolean>();
  readonly #absent = new LRUCache<string, true>({ max: MAX_ABSENT, ttl: ABSENCE_MS });

  constructor(
    private readonly em: EntityManager,
    private readonly entitlements: Entitlements,
    private readonly reader: SubscriptionReader,
    private readonly provider: BillingProvider,
  ) {}

  /** Asks the provider for a payer of whom it never told. Throws `not_found` where it has no subscription. */
  async find(payer: Payer): Promise<Entitled> {
    const { subscription, items } = await this.entitlements.snapshotOf(payer.clerkId);
    const isKnown = subscription !== null || items.length > 0;
    if (!isKnown && !(await this.#meeting.run(payer.clerkId, () => this.#meet(payer)))) throw noSubscription();
    return this.entitlements.of(payer);
  }

  /**
   * Ends what is paid for, or what would be next, when its period does or at once; what is canceled already stays so. For an
   * own subscription, or by an admin of the tenant. Throws `conflict` when nothing is paid for.
   */
  async cancel(payer: Payer, userId: string, { endNow }: { endNow: boolean }): Promise<Entitled> {
    const { standing } = await this.find(payer);
    const item = await this.#toCancel(payer, standing.item, endNow);
    if (!item) {
      if (standing.hasAccess && standing.item?.status === 'canceled') return this.entitlements.of(payer);
      throw new Problem('conflict', { detail: 'There is no paid plan to cancel.' });
    }
    await transaction(this.em.fork(), async (em) => {
      if (payer.kind === 'tenant') await this.#requireAdmin(em, payer, userId);
      // whatever becomes of this process, what the provider made of it is read
      await askAgain(em, payer, 'a cancellation', { afterS: CALL_S });
    });
    await this.#cancelAtProvider(payer, item, endNow);
    return this.entitlements.of(payer);
  }

  /**
   * Throws `conflict` where it stands otherwise there, as our copy then does, too. An answer may be lost on its way back, and a
   * call that is made again is refused: how it stands there decides.
   */
  async #cancelAtProvider(payer: Payer, item: Item, endNow: boolean): Promise<void> {
    const refusal = await this.#refusalOf(item.providerId, endNow);
    await this.reader.readNow(payer);
    if (!refusal || (await this.#isCanceled(payer, item, endNow))) return;
    if (!OUTDATED.has(refusal.code)) throw refusal;
    throw new Problem('conflict', { detail: 'The subscription has changed; look at it again.', cause: refusal });
  }

  /** Why the provider has not done it, where it may have all the same. */
  async #refusalOf(itemId: string, endNow: boolean): Promise<Problem | undefined> {
    try {
      await this.provider.cancel(itemId, { endNow });
      return undefined;
    } catch (error) {
      if (error instanceof Problem && (OUTDATED.has(error.code) || error.code === 'unavailable')) return error;
      throw error;
    }
  }

  async #isCanceled({ clerkId }: Payer, { providerId, status: before }: Item, endNow: boolean): Promise<boolean> {
    const { items } = await this.entitlements.snapshotOf(clerkId);
    const status = items.find((item) => item.providerId === providerId)?.status ?? '';
    // what is not paid for at present has no period to wait for
    return (!endNow && status === 'canceled') || ((endNow || before !== 'active') && isOver(status));
  }

  /** Whether it gives access or not: what is charged for, the current one first, else what will be. */
  async #toCancel(payer: Payer, current: Item | null, endNow: boolean): Promise<Item | undefined> {
    const { items } = await this.entitlements.snapshotOf(payer.clerkId);
    const all = current ? [current, ...items] : items;
    const paid = all.filter(({ plan }) => plan !== null && plan !== this.entitlements.defaultPlanOf(payer));
    const isOpen = (end: Date | null) => end !== null && end.getTime() > Date.now();
    return (
      paid.find(({ status }) => status === 'active' || status === 'past_due') ??
      (endNow ? paid.find(({ status, periodEnd }) => status === 'canceled' && isOpen(periodEnd)) : undefined) ??
      paid.find(({ status }) => status === 'upcoming')
    );
  }

  async #meet(payer: Payer): Promise<boolean> {
    if (this.#absent.has(payer.clerkId)) return false;
    const isThere = await this.reader.readNow(payer);
    if (!isThere) this.#absent.set(payer.clerkId, true);
    return isThere;
  }

  async #requireAdmin(em: EntityManager, { id: tenantId }: Payer, userId: string): Promise<void> {
    await asTenant(em, tenantId, (own) => requireAdmin(own, { tenantId, userId }));
  }
}
