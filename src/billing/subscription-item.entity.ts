import { defineEntity, p } from '@mikro-orm/core';
import { mirrored } from '../clerk/mirrored.entity.ts';
import { times } from '../database/columns.entity.ts';
import { OwnerScoped } from '../database/scoped.entity.ts';
import type { PaidPeriod } from './plan.entity.ts';

/** The largest that the column holds. */
export const UNLIMITED_SEATS = 2 ** 31 - 1;

const SubscriptionItemSchema = defineEntity({
  name: 'SubscriptionItem',
  tableName: 'subscription_items',
  extends: OwnerScoped,
  properties: {
    providerId: p.text(),
    /** The provider's id of the subscription; null: it was not said. */
    subscriptionId: p.text().nullable(),
    /** The slug; null: it was not said. */
    plan: p.text().nullable(),
    /** The provider's word; one that we do not know gives nothing. */
    status: p.text(),
    isTrial: p.boolean(),
    period: p.text().$type<PaidPeriod>().nullable(),
    periodStart: p.datetime().nullable(),
    /** Null: it has no end. */
    periodEnd: p.datetime().nullable(),
    canceledAt: p.datetime().nullable(),
    pastDueAt: p.datetime().nullable(),
    endedAt: p.datetime().nullable(),
    /** How many it pays for, `UNLIMITED_SEATS` for no limit; null: it was not said. */
    seats: p.integer().nullable(),
    ...mirrored,
    ...times,
  },
  uniques: [{ properties: ['ownerId', 'providerId'] }],
});

/** A payer on a plan. */
export class SubscriptionItem extends SubscriptionItemSchema.class {
  /** As the provider's silence says of it, asked at that time: what was said before counts no more. */
  end(at: number, eventId: string): void {
    this.status = 'ended';
    this.endedAt = new Date(at);
    this.clerkUpdatedAt = Math.max(at, this.clerkUpdatedAt + 1);
    this.clerkEventId = eventId;
  }
}
SubscriptionItemSchema.setClass(SubscriptionItem);
