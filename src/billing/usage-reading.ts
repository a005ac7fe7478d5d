import { Problem, retryAfter } from '../http/index.ts';
import type { Allowance } from './allowance.ts';
import type { Taken } from './usage-counter.ts';

/** How a meter stands for a payer, in the period that runs. */
export interface UsageReading {
  readonly meter: string;
  /** Null: no limit. */
  readonly limit: number | null;
  readonly used: number;
  /** Null: no limit. */
  readonly left: number | null;
  readonly periodStart: Date;
  /** Null: it does not reset by itself. */
  readonly resetsAt: Date | null;
  /** More is used than the limit says: it is not hard, or was lowered. */
  readonly isExceeded: boolean;
}

/** The largest integer of a structured field (RFC 9651, section 3.3.1). */
const MAX_INTEGER = 999_999_999_999_999;

export function readingOf({ meter, limit, periodStart, resetsAt }: Allowance, used: number): UsageReading {
  const left = limit === null ? null : Math.max(0, limit - used);
  return { meter, limit, used, left, periodStart, resetsAt, isExceeded: limit !== null && used > limit };
}

/**
 * How the meter stands after that amount was asked for. Throws `quota_exceeded` where it was not granted, and
 * `idempotency_key_reused` where its key was that of another amount.
 */
export function requireGranted(allowance: Allowance, taken: Taken | undefined, amount: number): UsageReading {
  if (taken?.isKeyReused) throw new Problem('idempotency_key_reused');
  const reading = readingOf(allowance, taken?.used ?? 0);
  if (!taken?.isGranted) throw quotaExceeded(reading, amount);
  return reading;
}

/** 429 where so much is to be had once the meter has reset, else 402. */
function quotaExceeded(reading: UsageReading, amount: number): Problem {
  const { meter, limit, used, left, resetsAt } = reading;
  const returns = resetsAt !== null && limit !== null && amount <= limit;
  return new Problem('quota_exceeded', {
    status: returns ? 429 : 402,
    detail:
      limit === 0 ? `The plan has no ${meter}.` : `Of ${meter} ${left} of ${limit} are left, which is not enough.`,
    headers: {
      ...rateLimitHeaders(reading),
      ...(returns && retryAfter(Math.max(0, resetsAt.getTime() - Date.now()))),
    },
    members: { meter, limit, used, resetsAt: resetsAt?.toISOString() ?? null },
  });
}

/** Of draft-ietf-httpapi-ratelimit-headers; none without a limit. */
export function rateLimitHeaders({ meter, limit, left, periodStart, resetsAt }: UsageReading): Record<string, string> {
  if (limit === null || left === null) return {};
  const [name, until] = [JSON.stringify(meter), resetsAt?.getTime()];
  const seconds = (key: string, from: number) =>
    until === undefined ? '' : `;${key}=${Math.max(0, Math.ceil((until - from) / 1000))}`;
  return {
    ratelimit: `${name};r=${Math.min(left, MAX_INTEGER)}${seconds('t', Date.now())}`,
    'ratelimit-policy': `${name};q=${Math.min(limit, MAX_INTEGER)}${seconds('w', periodStart.getTime())}`,
  };
}
