import { defineEntity, p } from '@mikro-orm/core';
import { mirrored } from '../clerk/mirrored.entity.ts';
import { times } from '../database/columns.entity.ts';
import { OwnerScoped } from '../database/scoped.entity.ts';

const PaymentAttemptSchema = defineEntity({
  name: 'PaymentAttempt',
  tableName: 'payment_attempts',
  extends: OwnerScoped,
  properties: {
    providerId: p.text(),
    /** The provider's word: pending, paid or failed. */
    status: p.text(),
    /** The provider's word: checkout or recurring. */
    type: p.text().nullable(),
    /** In the smallest unit of the currency. */
    amount: p.bigint('number').nullable(),
    currency: p.text().nullable(),
    /** Why it failed, as a code. */
    failure: p.text().nullable(),
    paidAt: p.datetime().nullable(),
    failedAt: p.datetime().nullable(),
    ...mirrored,
    ...times,
  },
  uniques: [{ properties: ['ownerId', 'providerId'] }],
});

/** One try of the provider's to be paid. It gives no access by itself. */
export class PaymentAttempt extends PaymentAttemptSchema.class {}
PaymentAttemptSchema.setClass(PaymentAttempt);
