import { newId } from './ids.ts';
import { type Order, periodFrom } from './order.ts';

type ItemStatus = 'active' | 'canceled' | 'past_due' | 'upcoming' | 'ended' | 'abandoned';

/** What is kept of a subscription item; times in milliseconds. */
export interface ItemRow extends Order {
  id: string;
  status: ItemStatus;
  is_free_trial: boolean;
  period_start: number;
  /** Null: of the default plan, which goes on. */
  period_end: number | null;
  /** In cents. */
  lifetime_paid: number;
  canceled_at: number | null;
  past_due_at: number | null;
  ended_at: number | null;
  created_at: number;
  updated_at: number;
}

export function anItem(order: Order, facts: Partial<ItemRow> = {}): ItemRow {
  const now = Date.now();
  return {
    ...order,
    id: newId('subi'),
    status: 'active',
    is_free_trial: false,
    ...periodFrom(order, now),
    lifetime_paid: 0,
    canceled_at: null,
    past_due_at: null,
    ended_at: null,
    created_at: now,
    updated_at: now,
    ...facts,
  };
}

/** Told later than before, however fast. */
export function change<T extends { updated_at: number }>(thing: T, facts: Partial<T>): void {
  Object.assign(thing, facts, { updated_at: Math.max(Date.now(), thing.updated_at + 1) });
}
