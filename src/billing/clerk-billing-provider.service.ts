import { Injectable } from '@nestjs/common';
import { ClerkBilling } from '../clerk/index.ts';
import { ANSWER, BillingProvider, type WholeOffer, type WholeSubscription } from './billing-provider.ts';
import { factsOfItem, factsOfPlan, factsOfSubscription, itemsOf } from './clerk-billing-facts.ts';
import type { NamedPayer } from './payer.ts';

/** Clerk Billing. Of this room only the files named after Clerk know its shapes. */
@Injectable()
export class ClerkBillingProvider extends BillingProvider {
  constructor(private readonly clerk: ClerkBilling) {
    super();
  }

  async plans(): Promise<WholeOffer> {
    const { plans, ...offer } = await this.clerk.plans();
    return { plans: plans.map(factsOfPlan), ...offer };
  }

  async subscriptionOf(payer: NamedPayer): Promise<WholeSubscription | null> {
    const telling = { eventId: ANSWER, at: Date.now() };
    const found = await this.clerk.subscriptionOf(payer);
    if (!found) return null;
    return {
      subscription: factsOfSubscription(found, telling),
      items: itemsOf(found).map((item) => factsOfItem(item, telling, found.id)),
    };
  }

  async cancel(itemId: string, options: { endNow: boolean }): Promise<void> {
    await this.clerk.cancel(itemId, options);
  }

  async extendTrial(itemId: string, until: Date): Promise<void> {
    await this.clerk.extendTrial(itemId, until);
  }
}
