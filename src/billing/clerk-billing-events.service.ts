import type { EntityManager } from '@mikro-orm/postgresql';
import { Injectable } from '@nestjs/common';
import { type ClerkEvent, InEventTransaction, OnClerkEvent } from '../clerk/index.ts';
import { BillingMirror } from './billing-mirror.service.ts';
import { wordOfItem, wordOfPayment, wordOfSubscription } from './clerk-billing-words.ts';

const SUBSCRIPTION = [
  'subscription.created',
  'subscription.updated',
  'subscription.active',
  'subscription.pastDue',
] as const;
const ITEM = [
  'subscriptionItem.created',
  'subscriptionItem.updated',
  'subscriptionItem.active',
  'subscriptionItem.canceled',
  'subscriptionItem.upcoming',
  'subscriptionItem.ended',
  'subscriptionItem.abandoned',
  'subscriptionItem.incomplete',
  'subscriptionItem.pastDue',
  'subscriptionItem.freeTrialEnding',
] as const;
const PAYMENT = ['paymentAttempt.created', 'paymentAttempt.updated'] as const;

/** Keeps our copy of subscriptions right, in whatever order the events of Clerk Billing come. */
@Injectable()
export class ClerkBillingEvents {
  constructor(private readonly mirror: BillingMirror) {}

  @InEventTransaction()
  @OnClerkEvent(...SUBSCRIPTION)
  async subscription(event: ClerkEvent<(typeof SUBSCRIPTION)[number]>, em: EntityManager) {
    await this.mirror.hear(em, wordOfSubscription(event.data, tellingOf(event)));
  }

  @InEventTransaction()
  @OnClerkEvent(...ITEM)
  async item(event: ClerkEvent<(typeof ITEM)[number]>, em: EntityManager) {
    const { type, data } = event;
    const item = type === 'subscriptionItem.freeTrialEnding' ? { ...data, is_free_trial: true } : data;
    await this.mirror.hear(em, wordOfItem(item, tellingOf(event)));
  }

  @InEventTransaction()
  @OnClerkEvent(...PAYMENT)
  async payment(event: ClerkEvent<(typeof PAYMENT)[number]>, em: EntityManager) {
    await this.mirror.hear(em, wordOfPayment(event.data, tellingOf(event)));
  }
}

function tellingOf({ id, sentAt }: ClerkEvent) {
  return { eventId: id, at: sentAt };
}
