import { defineEntity, p } from '@mikro-orm/core';
import type { PayerKind } from './plan.entity.ts';

const RereadSchema = defineEntity({
  name: 'Reread',
  tableName: 'billing_rereads',
  properties: {
    /** Clerk's id of the tenant or user. */
    clerkId: p.text().primary(),
    kind: p.text().$type<PayerKind>(),
    reason: p.text(),
    /** Another one with each doubt: it needs a reading of its own. */
    doubtId: p.uuid().defaultRaw('gen_random_uuid()'),
    /** Nothing is known to be wrong: whatever is in doubt comes first. */
    canWait: p.boolean().default(false),
    attempts: p.integer().default(0),
    notBefore: p.datetime().defaultRaw('now()'),
  },
  indexes: [{ properties: ['canWait', 'notBefore'] }],
});

/** A payer whose subscription must be read again from the provider. */
export class Reread extends RereadSchema.class {}
RereadSchema.setClass(Reread);
