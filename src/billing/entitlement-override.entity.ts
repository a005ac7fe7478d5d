import { defineEntity, p } from '@mikro-orm/core';
import { times } from '../database/columns.entity.ts';
import { OwnerScoped } from '../database/scoped.entity.ts';

const EntitlementOverrideSchema = defineEntity({
  name: 'EntitlementOverride',
  tableName: 'entitlement_overrides',
  extends: OwnerScoped,
  properties: {
    /** A feature, a meter, or seats. */
    feature: p.text(),
    isGranted: p.boolean(),
    /** Of a meter or seats that are granted; null: no limit. */
    limit: p.bigint('number').nullable(),
    /** From then on the plan alone counts; null: it does not end. */
    endsAt: p.datetime().nullable(),
    reason: p.text(),
    ...times,
  },
  uniques: [{ properties: ['ownerId', 'feature'] }],
});

/** What an operator gives one payer, or takes, whatever the plan says. */
export class EntitlementOverride extends EntitlementOverrideSchema.class {}
EntitlementOverrideSchema.setClass(EntitlementOverride);
