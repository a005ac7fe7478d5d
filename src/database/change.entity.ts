import { defineEntity, p } from '@mikro-orm/core';

const ChangeSchema = defineEntity({
  name: 'Change',
  tableName: 'changes',
  properties: {
    id: p.bigint('number').primary().autoincrement(),
    topic: p.text(),
    key: p.text(),
    at: p.datetime().defaultRaw('now()'),
  },
});

/** One line of the change log: what other processes must forget. */
export class Change extends ChangeSchema.class {}
ChangeSchema.setClass(Change);
