import { newId } from './ids.ts';
import type { ItemRow } from './subscription-item.ts';

/** One attempt to charge for an item. */
export interface Payment {
  id: string;
  payment_id: string;
  statement_id: string;
  invoice_id: string;
  gateway_external_id: string;
  item: ItemRow;
  charge_type: 'checkout' | 'recurring';
  failed: boolean;
  created_at: number;
}

export function aPayment(item: ItemRow, chargeType: Payment['charge_type'], failed = false): Payment {
  return {
    id: newId('pa'),
    payment_id: newId('cpa'),
    statement_id: newId('stmt'),
    invoice_id: newId('inv'),
    gateway_external_id: newId('pi'),
    item,
    charge_type: chargeType,
    failed,
    created_at: Date.now(),
  };
}
