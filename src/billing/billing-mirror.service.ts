import type { EntityManager } from '@mikro-orm/postgresql';
import { Injectable } from '@nestjs/common';
import { ChangeLog, Pruning } from '../database/index.ts';
import { factsOfClaim, TenantMirror } from '../tenants/index.ts';
import { factsOfClaims, UserMirror } from '../users/index.ts';
import type { BillingWord } from './billing-facts.ts';
import type { WholeSubscription } from './billing-provider.ts';
import { askAgain, CALL_S } from './doubts.ts';
import { asPayer, lockPayer, type NamedPayer, type Payer } from './payer.ts';
import { keepWaiting, lockTogether, payerOfAny, remember, takeWaiting } from './payer-references.ts';
import { type Before, takeNothing, takeWhole } from './taking-whole.ts';
import { takeWords } from './taking-words.ts';

/** The topic of payers in the change log; the key is Clerk's id. */
export const BILLING_CHANGED = 'billing';

/** The one way in which subscriptions reach our tables, whoever tells us. */
@Injectable()
export class BillingMirror {
  constructor(
    private readonly changes: ChangeLog,
    private readonly tenants: TenantMirror,
    private readonly users: UserMirror,
    pruning: Pruning,
  ) {
    // as long as the inbox keeps the event
    pruning.forget('waiting_billing', "at < now() - interval '35 days'");
  }

  /**
   * Takes what an event says, unless something newer is known: of each row the latest word counts, so neither order nor
   * duplicates matter. A word that names no payer waits until another does. Whatever is in doubt is read again afterwards.
   * In the event's transaction.
   */
  async hear(em: EntityManager, word: BillingWord): Promise<void> {
    await lockTogether(em, [...word.providerIds, ...(word.payer ? [word.payer.clerkId] : [])]);
    const named = word.payer ?? (await payerOfAny(em, word.providerIds));
    if (!named) return keepWaiting(em, word);
    const payer = await this.#meet(em, named);
    const { words, ids } = await takeWaiting(em, word.providerIds);
    await remember(em, named, ids);
    // of one that is deleted nothing is kept
    if (payer) await this.#take(em, payer, [word, ...words]);
  }

  /** Takes all that the provider answered of a payer, who stood so before it was asked. In the caller's transaction. */
  async settle(em: EntityManager, named: NamedPayer, whole: WholeSubscription, before: Before): Promise<void> {
    const ids = [whole.subscription.providerId, ...whole.items.map(({ providerId }) => providerId)];
    await lockTogether(em, [...ids, named.clerkId]);
    const payer = await this.#meet(em, named);
    const waiting = await takeWaiting(em, ids);
    await remember(em, named, waiting.ids);
    if (!payer) return;
    const { hasChanged, doubt } = await asPayer(em, payer, (own) => takeWhole(own, whole, before));
    if (hasChanged) this.changes.record(em, BILLING_CHANGED, payer.clerkId);
    if (doubt) await askAgain(em, payer, doubt, { afterS: CALL_S });
    await this.#take(em, payer, waiting.words);
  }

  /** Takes that the provider has none of the payer's. In the caller's transaction. */
  async settleNothing(em: EntityManager, payer: Payer, before: Before): Promise<void> {
    await lockTogether(em, [payer.clerkId]);
    if (await asPayer(em, payer, (own) => takeNothing(own, before)))
      this.changes.record(em, BILLING_CHANGED, payer.clerkId);
  }

  async #take(em: EntityManager, payer: Payer, words: BillingWord[]): Promise<void> {
    if (words.length === 0) return;
    const { hasChanged, doubt } = await asPayer(em, payer, (own) => takeWords(own, words));
    if (hasChanged) this.changes.record(em, BILLING_CHANGED, payer.clerkId);
    if (doubt) await askAgain(em, payer, doubt);
  }

  /** Makes a row where there is none, since whom an event names may be new to us. Undefined: deleted. */
  async #meet(em: EntityManager, named: NamedPayer): Promise<Payer | undefined> {
    const { kind, clerkId } = named;
    if (kind === 'tenant') await this.tenants.mirror(em, factsOfClaim({ clerkId, slug: null }));
    else await this.users.mirror(em, factsOfClaims({ sub: clerkId }));
    return lockPayer(em, named);
  }
}
