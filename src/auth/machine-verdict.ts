import type { ClerkMachineToken } from '../clerk/index.ts';
import { deepFreeze } from '../database/index.ts';
import type { MachinePrincipal } from './principal.ts';
import type { MachineTokenType } from './token-type.ts';

/** How long a good verdict counts, and how much longer while Clerk is away. */
const FRESH_MS = 60_000;
const STALE_MS = 60_000;
/** Between two servers of one deployment. */
const MAX_CLOCK_DIFFERENCE_MS = 5000;

/** That a token of a machine was good; times in milliseconds since 1970. */
export interface MachineVerdict {
  readonly principal: MachinePrincipal;
  readonly freshUntil: number;
  /** The token's own end; null: it has none. */
  readonly endsAt: number | null;
}

/** From when Clerk was asked on. */
export function verdictOf(type: MachineTokenType, token: ClerkMachineToken, askedAt: number): MachineVerdict {
  const principal = deepFreeze(callerOf(type, token));
  return { principal, freshUntil: askedAt + FRESH_MS, endsAt: token.expiration };
}

/** Where the clock was set back, a verdict would count for longer than a minute: it is none then. */
export function isFresh({ freshUntil, endsAt }: MachineVerdict, now = Date.now()): boolean {
  return now < freshUntil && freshUntil <= now + FRESH_MS && (endsAt === null || now < endsAt);
}

/** Whether it may serve where Clerk cannot be asked. */
export function isServable(verdict: MachineVerdict, now = Date.now()): boolean {
  return msServable(verdict, now) > 0 && verdict.freshUntil <= now + FRESH_MS;
}

/** A verdict of another process, whose clock may differ; it counts no longer than one from here. */
export function received(verdict: MachineVerdict, now = Date.now()): MachineVerdict | undefined {
  if (verdict.freshUntil > now + FRESH_MS + MAX_CLOCK_DIFFERENCE_MS) return undefined;
  const own = deepFreeze({ ...verdict, freshUntil: Math.min(verdict.freshUntil, now + FRESH_MS) });
  return isServable(own, now) ? own : undefined;
}

export function msServable({ freshUntil, endsAt }: MachineVerdict, now = Date.now()): number {
  return Math.min(freshUntil + STALE_MS, endsAt ?? Number.POSITIVE_INFINITY) - now;
}

function callerOf(tokenType: MachineTokenType, token: ClerkMachineToken): MachinePrincipal {
  const { id, subject, scopes, claims = null, act, createdAt } = token;
  return {
    tokenType,
    id,
    subject,
    clerkUserId: subject.startsWith('user_') ? subject : null,
    impersonatedBy: act?.sub ?? null,
    organization: subject.startsWith('org_') ? { clerkId: subject, slug: null } : null,
    scopes,
    issuedAt: Math.floor(createdAt / 1000),
    claims,
  };
}
