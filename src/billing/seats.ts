import type { EntityManager } from '@mikro-orm/postgresql';
import { v7 as uuidv7 } from 'uuid';
import { FOR_GOOD } from './allowance.ts';
import { SEATS } from './entitlement-book.ts';
import { asPayer, type Payer } from './payer.ts';
import { requireGranted } from './usage-reading.ts';
import { UsageReservation } from './usage-reservation.entity.ts';

/** Longer than a request may take; whoever dies holds it no longer. */
const HELD_MS = 30_000;

const COUNTED = { meter: SEATS, periodStart: FOR_GOOD };

/**
 * Holds a seat of the tenant beside those that `count` finds: so two who are asked for at once are not both the last one.
 * Answers its id. Throws `quota_exceeded`.
 */
export async function holdSeat(
  em: EntityManager,
  tenant: Payer,
  seats: number,
  count: (em: EntityManager) => Promise<number>,
): Promise<string> {
  const id = uuidv7();
  await asPayer(em, tenant, async (own) => {
    const now = await lockSeats(own, tenant);
    await own.nativeDelete(UsageReservation, { meter: SEATS, expiresAt: { $lte: now } });
    const used = (await count(own)) + (await own.count(UsageReservation, { meter: SEATS }));
    requireGranted({ ...COUNTED, limit: seats, isHard: true, resetsAt: null }, { isGranted: used < seats, used }, 1);
    own.create(UsageReservation, { ...COUNTED, id, amount: 1, expiresAt: new Date(now.getTime() + HELD_MS) });
  });
  return id;
}

export async function letSeatGo(em: EntityManager, tenant: Payer, id: string): Promise<void> {
  await asPayer(em, tenant, async (own) => {
    await lockSeats(own, tenant);
    await own.nativeDelete(UsageReservation, { id });
  });
}

/** Who counts sees a seat as held or as filled: not as both, nor as neither. Answers the time of the clock that all share. */
async function lockSeats(em: EntityManager, { id }: Payer): Promise<Date> {
  await em.execute('select pg_advisory_xact_lock(hashtextextended(?, 0))', [`seats ${id}`]);
  const [row] = await em.execute<{ now: Date }[]>('select clock_timestamp() as now');
  return new Date(row?.now ?? Number.NaN);
}
