import { defineEntity, p } from '@mikro-orm/core';

const TenantIntentSchema = defineEntity({
  name: 'TenantIntent',
  tableName: 'tenant_intents',
  properties: {
    userId: p.uuid().primary(),
    /** Of this very creation. */
    id: p.uuid(),
    lapsesAt: p.datetime(),
  },
});

/** A user is about to create a tenant at Clerk. */
export class TenantIntent extends TenantIntentSchema.class {}
TenantIntentSchema.setClass(TenantIntent);
