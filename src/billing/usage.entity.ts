import { defineEntity, p } from '@mikro-orm/core';
import { OwnerScoped } from '../database/scoped.entity.ts';

const UsageCounterSchema = defineEntity({
  name: 'UsageCounter',
  tableName: 'usage',
  extends: OwnerScoped,
  properties: {
    meter: p.text(),
    periodStart: p.datetime(),
    /** What counts, with what is reserved. */
    used: p.bigint('number').default(0),
    /** From when something that is reserved may have lapsed, in this period or before; null: nothing was since somebody looked. */
    lapsesAt: p.datetime().nullable(),
  },
  uniques: [{ properties: ['ownerId', 'meter', 'periodStart'] }],
});

/** How much of a meter a payer has used in a period. */
export class UsageCounter extends UsageCounterSchema.class {}
UsageCounterSchema.setClass(UsageCounter);
