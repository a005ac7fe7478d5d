import { defineEntity, p } from '@mikro-orm/core';
import { OwnerScoped } from '../database/scoped.entity.ts';

const UsageReservationSchema = defineEntity({
  name: 'UsageReservation',
  tableName: 'usage_reservations',
  extends: OwnerScoped,
  properties: {
    meter: p.text(),
    periodStart: p.datetime(),
    amount: p.bigint('number'),
    /** From then on it does not count, and whoever consumes next takes it back. */
    expiresAt: p.datetime(),
  },
});

/**
 * Usage of a use case that runs: it counts, until the use case confirms it, gives it back, or is gone. Those of an owner are few,
 * and each index would be written to twice by each use case.
 */
export class UsageReservation extends UsageReservationSchema.class {}
UsageReservationSchema.setClass(UsageReservation);
