import { defineEntity, p } from '@mikro-orm/core';
import type { PayerKind } from './plan.entity.ts';

const PayerReferenceSchema = defineEntity({
  name: 'PayerReference',
  tableName: 'payer_references',
  properties: {
    /** The provider's id of a subscription, of an item, or of the payer. */
    providerId: p.text().primary(),
    kind: p.text().$type<PayerKind>(),
    /** Clerk's id of the tenant or user. */
    clerkId: p.text(),
  },
});

/** Whose something of the provider's is: an event need not say it. Global, since only then it is known whose rows to write. */
export class PayerReference extends PayerReferenceSchema.class {}
PayerReferenceSchema.setClass(PayerReference);
