import { defineEntity, p } from '@mikro-orm/core';

const InstanceSchema = defineEntity({
  name: 'Instance',
  tableName: 'instance',
  properties: {
    issuer: p.text().primary(),
    clerkId: p.text(),
  },
});

/** Which instance of Clerk issues our tokens, as its Backend API said. */
export class Instance extends InstanceSchema.class {}
InstanceSchema.setClass(Instance);
