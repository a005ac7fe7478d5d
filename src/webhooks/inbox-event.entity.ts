import { defineEntity, p } from '@mikro-orm/core';

/**
 * `processed`: its effects are here. `ignored`: nobody asked for its type. `failed`: a core handler threw, the sender
 * repeats. `quarantined`: of another instance than ours, or of none. `unresolved`: it names its object by an id alone that
 * is not known here, yet.
 */
export type InboxStatus = 'processed' | 'ignored' | 'failed' | 'quarantined' | 'unresolved';

const InboxEventSchema = defineEntity({
  name: 'InboxEvent',
  tableName: 'inbox',
  properties: {
    /** The sender's id of the message (`svix-id`), the same on every attempt. */
    id: p.text().primary(),
    type: p.text(),
    status: p.text().$type<InboxStatus>(),
    objectId: p.text().nullable().index(),
    userId: p.text().nullable(),
    tenantId: p.text().nullable(),
    instanceId: p.text().nullable(),
    /** Clerk's time in milliseconds. */
    eventAt: p.bigint('number'),
    /** The envelope as it came, less what is not kept; empty once the user whom it is about is deleted. */
    payload: p.json<Record<string, unknown>>().columnType('json'),
    deliveries: p.integer().default(1),
    error: p.text().nullable(),
    receivedAt: p.datetime().index(),
    handledAt: p.datetime().nullable(),
  },
  indexes: [
    { properties: ['userId', 'id'] },
    { name: 'inbox_open', properties: ['status'], where: "status in ('failed', 'quarantined', 'unresolved')" },
  ],
});

/** An event of Clerk's, kept from its first delivery on; ids of objects are Clerk's. */
export class InboxEvent extends InboxEventSchema.class {
  get isErased(): boolean {
    return Object.keys(this.payload).length === 0;
  }
}
InboxEventSchema.setClass(InboxEvent);
