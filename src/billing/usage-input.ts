import { Problem } from '../http/index.ts';

export interface UsageOptions {
  /** Whatever is consumed under one key of a payer and meter counts once, for 35 days. */
  readonly idempotencyKey?: string | undefined;
}

const MAX_AMOUNT = 1_000_000_000;
/** What PostgreSQL can hold. */
const KEY = /^[^\0\p{Surrogate}]{1,255}$/u;

/** Throws `invalid_input` for what cannot be counted: a team may hand through what a client sent. */
export function requireCountable(amount: number, { idempotencyKey }: UsageOptions): void {
  if (!Number.isSafeInteger(amount) || amount < 1 || amount > MAX_AMOUNT)
    throw new Problem('invalid_input', { detail: `An amount to count is a whole number from 1 to ${MAX_AMOUNT}.` });
  if (idempotencyKey !== undefined && !(typeof idempotencyKey === 'string' && KEY.test(idempotencyKey)))
    throw new Problem('invalid_input', {
      detail: 'An idempotency key has 1 to 255 characters, without U+0000 or half a surrogate pair.',
    });
}
