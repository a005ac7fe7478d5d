import { EntityManager } from '@mikro-orm/postgresql';
import { Injectable, Logger } from '@nestjs/common';
import { safeMessage, transaction } from '../database/index.ts';
import { Problem } from '../http/index.ts';
import { BillingMirror } from './billing-mirror.service.ts';
import { BillingProvider, type WholeSubscription } from './billing-provider.ts';
import { askAgain, CALL_S } from './doubts.ts';
import { Entitlements } from './entitlements.service.ts';
import { asPayer, type Payer } from './payer.ts';
import { Plans } from './plans.service.ts';
import { lookBefore } from './taking-whole.ts';

/**
 * Reads a payer's subscription from the provider, and mirrors it. Two who read share no answer: one may be from before a
 * change.
 */
@Injectable()
export class SubscriptionReader {
  readonly #logger = new Logger(SubscriptionReader.name);

  constructor(
    private readonly em: EntityManager,
    private readonly provider: BillingProvider,
    private readonly mirror: BillingMirror,
    private readonly plans: Plans,
    private readonly entitlements: Entitlements,
  ) {}

  /** False: the provider has none. Throws the provider's Problem. */
  async read(payer: Payer): Promise<boolean> {
    const before = await asPayer(this.em.fork(), payer, lookBefore);
    const whole = await this.provider.subscriptionOf(payer);
    if (whole) await this.#learnPlans(payer, whole);
    await transaction(this.em.fork(), (em) =>
      whole ? this.mirror.settle(em, payer, whole, before) : this.mirror.settleNothing(em, payer, before),
    );
    return whole !== null;
  }

  /** As `read`, for who answers somebody: what is remembered of the payer is then of this reading. */
  async readNow(payer: Payer): Promise<boolean> {
    const isThere = await this.read(payer);
    await this.entitlements.reload(payer.clerkId);
    return isThere;
  }

  /** The subscription is read, whatever becomes of this. */
  async #learnPlans(payer: Payer, { items }: WholeSubscription): Promise<void> {
    try {
      await this.plans.learn(items.flatMap(({ plan, planId }) => plan ?? planId ?? []));
    } catch (error) {
      if (!(error instanceof Problem)) this.#logger.warn(`cannot learn plans: ${safeMessage(error)}`);
      await askAgain(this.em.fork(), payer, 'a plan that is not known', { afterS: CALL_S });
    }
  }
}

export function noSubscription(): Problem {
  return new Problem('not_found', { detail: 'There is no subscription: billing may be off.' });
}
