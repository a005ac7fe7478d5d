import { defineEntity, p } from '@mikro-orm/core';
import { OwnerScoped } from '../database/scoped.entity.ts';

const UsageKeySchema = defineEntity({
  name: 'UsageKey',
  tableName: 'usage_keys',
  extends: OwnerScoped,
  properties: {
    meter: p.text(),
    key: p.text(),
    amount: p.bigint('number'),
    periodStart: p.datetime(),
    at: p.datetime().defaultRaw('now()'),
  },
  uniques: [{ properties: ['ownerId', 'meter', 'key'] }],
  indexes: [{ properties: ['ownerId', 'meter', 'at'] }],
});

/** Usage that was counted under a key, so that it counts once. */
export class UsageKey extends UsageKeySchema.class {}
UsageKeySchema.setClass(UsageKey);
