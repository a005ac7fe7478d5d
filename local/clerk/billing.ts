import { notFound, unprocessable } from './answers.ts';
import { eventsOf, itemData, subscriptionData } from './billing-events.ts';
import type { Directory } from './directory.ts';
import type { Tell } from './events.ts';
import { orderOf, type Wishes } from './order.ts';
import { type Payer, payerOf } from './payer.ts';
import type { Plan } from './plan.ts';
import { DEFAULT_PLANS } from './plans.ts';
import { cancel, endTrial, extendTrial, failPayment, renew, subscribe } from './subscribing.ts';
import { type News, Subscription } from './subscription.ts';
import type { ItemRow } from './subscription-item.ts';
import {
  olderItem,
  type ShownItem,
  type ShownSubscription,
  shownItem,
  shownSubscription,
} from './subscription-shown.ts';

/** What users and organizations subscribe to, by their ids; every change is told as Clerk's events. */
export class Billing {
  readonly #instanceId: string;
  readonly #directory: Directory;
  readonly #tell: Tell;
  readonly #subscriptions = new Map<string, Subscription>();

  constructor(instanceId: string, directory: Directory, tell: Tell) {
    this.#instanceId = instanceId;
    this.#directory = directory;
    this.#tell = tell;
  }

  get(payerId: string): ShownSubscription {
    return shownSubscription(this.#of(payerId), this.#instanceId);
  }

  /** What gives access now. */
  planOf(payerId: string): Plan {
    return this.#subscriptions.get(payerId)?.plan ?? DEFAULT_PLANS[payerId.startsWith('user_') ? 'user' : 'org'];
  }

  subscribe(payerId: string, slug: string, { trial = false, ...wishes }: Wishes = {}): ShownSubscription {
    return this.#change(payerId, (own) => subscribe(own, orderOf(own.items[0].plan, slug, wishes), trial));
  }

  cancel(payerId: string, { endNow = false } = {}): ShownSubscription {
    return this.#change(payerId, (own) => cancel(own, endNow));
  }

  /** As if the period were over. */
  renew(payerId: string): ShownSubscription {
    return this.#change(payerId, renew);
  }

  /** As if the charge for the next period failed. */
  failPayment(payerId: string): ShownSubscription {
    return this.#change(payerId, failPayment);
  }

  endTrial(payerId: string, { pays }: { pays: boolean }): ShownSubscription {
    return this.#change(payerId, (own) => endTrial(own, pays));
  }

  cancelItem(id: string, options?: { endNow?: boolean }): ShownItem {
    const [own, item] = this.#withItem(id);
    const isNext = item === own.upcoming && !item.plan.is_default;
    if (item !== own.current && !isNext)
      throw unprocessable('form_param_value_invalid', 'id', `The item is ${item.status}.`);
    this.cancel(own.payerId, isNext ? {} : options);
    return shownItem(item, own.payerId, this.#instanceId);
  }

  /** To a time in milliseconds. */
  extendTrial(itemId: string, time: number): ReturnType<typeof olderItem> {
    const [own, item] = this.#withItem(itemId);
    this.#change(own.payerId, () => extendTrial(item, time));
    return olderItem(item, own.payerId, this.#instanceId);
  }

  /** The payer is gone. */
  forget(payerId: string): void {
    this.#subscriptions.delete(payerId);
  }

  /** What an event of that type carries: of the subscription, or of its current item. */
  eventData(type: string, payerId: string): object {
    const own = this.#of(payerId);
    const payer = this.#payer(payerId);
    return type.startsWith('subscription.') ? subscriptionData(own, payer) : itemData(own.current, own, payer);
  }

  #change(payerId: string, change: (own: Subscription) => News[]): ShownSubscription {
    const own = this.#of(payerId);
    const news = change(own);
    if (news.length > 0) this.#tellAll(own, news);
    return this.get(payerId);
  }

  #tellAll(own: Subscription, news: News[]): void {
    const status = own.settle();
    const payer = this.#payer(own.payerId);
    for (const one of news) for (const event of eventsOf(one, own, payer, this.#instanceId)) this.#tell(...event);
    if (status) this.#tell(`subscription.${status}`, subscriptionData(own, payer));
  }

  /** Clerk has it from the beginning of the payer. */
  #of(payerId: string): Subscription {
    const payer = this.#payer(payerId);
    const key = payer.user_id || payer.organization_id;
    const own = this.#subscriptions.get(key) ?? new Subscription(payer);
    this.#subscriptions.set(key, own);
    return own;
  }

  #payer(id: string): Payer {
    return payerOf(this.#directory, id);
  }

  #withItem(id: string): [Subscription, ItemRow] {
    for (const own of this.#subscriptions.values())
      for (const item of own.items) if (item.id === id) return [own, item];
    throw notFound(`No subscription item was found with id ${id}`);
  }
}
