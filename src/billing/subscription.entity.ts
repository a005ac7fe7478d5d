import { defineEntity, p } from '@mikro-orm/core';
import { mirrored } from '../clerk/mirrored.entity.ts';
import { times } from '../database/columns.entity.ts';
import { OwnerScoped } from '../database/scoped.entity.ts';

const SubscriptionSchema = defineEntity({
  name: 'Subscription',
  tableName: 'subscriptions',
  extends: OwnerScoped,
  properties: {
    providerId: p.text(),
    /** The provider's word. What gives access are the items. */
    status: p.text(),
    /** From which the months of usage count; null: calendar months. */
    startedAt: p.datetime().nullable(),
    pastDueAt: p.datetime().nullable(),
    /** Whether the provider was asked: then its items are all there are. */
    isRead: p.boolean().default(false),
    ...mirrored,
    ...times,
  },
  uniques: [{ properties: ['ownerId'] }],
});

/** The contract with a payer: one for each. Its items are what is paid for. */
export class Subscription extends SubscriptionSchema.class {}
SubscriptionSchema.setClass(Subscription);
