import type { ClerkMachineToken } from '../clerk/index.ts';
import { deepFreeze } from '../database/index.ts';
import type { MachinePrincipal } from './principal.ts';
import type { MachineTokenType } from './token-type.ts';

/** How long a good verdict counts, and how much longer while Clerk is away. */
const FRESH_MS = 60_000;
export const SERVABLE_MS = 120_000;
/** Between the clocks of two servers of one deployment. */
const MAX_CLOCK_DIFFERENCE_MS = 1000;

/** That a token of a machine was good. */
export interface MachineVerdict {
  readonly principal: MachinePrincipal;
  /** Whom it is for; undefined: of one that does not say, or of which Clerk has judged that. */
  readonly audience?: readonly string[];
  /** The token's own end in milliseconds since 1970; null: it has none. */
  readonly endsAt: number | null;
  /** By the clock of this process that nobody sets (`performance.now()`): the other one may be set back. */
  readonly askedAt: number;
}

/** As processes give it to each other; times in milliseconds since 1970. */
export type SharedVerdict = Omit<MachineVerdict, 'askedAt'> & { readonly freshUntil: number };

/** From when Clerk was asked on. */
export function verdictOf(type: MachineTokenType, token: ClerkMachineToken, askedAt: number): MachineVerdict {
  return deepFreeze({ principal: callerOf(type, token), audience: token.aud, endsAt: token.expiration, askedAt });
}

export function isFresh(verdict: MachineVerdict): boolean {
  return isGoodFor(FRESH_MS, verdict);
}

/** Whether it may serve where Clerk cannot be asked. */
export function isServable(verdict: MachineVerdict): boolean {
  return isGoodFor(SERVABLE_MS, verdict);
}

export function ageOf({ askedAt }: MachineVerdict): number {
  return performance.now() - askedAt;
}

export function sharedOf(verdict: MachineVerdict): SharedVerdict {
  const { askedAt, ...shared } = verdict;
  return { ...shared, freshUntil: Date.now() + FRESH_MS - ageOf(verdict) };
}

/**
 * Of another process, whose clock may differ a little; undefined: it differs too much, or the verdict is over for all. Its age
 * is also known to who kept it, by a clock of its own: neither is trusted to make it younger, as one that is set back would.
 */
export function received({ freshUntil, ...verdict }: SharedVerdict, keptMs: number): MachineVerdict | undefined {
  const age = Date.now() + FRESH_MS - freshUntil;
  if (age < -MAX_CLOCK_DIFFERENCE_MS) return undefined;
  const own = deepFreeze({ ...verdict, askedAt: performance.now() - Math.max(age, keptMs, 0) });
  return isServable(own) ? own : undefined;
}

function isGoodFor(ms: number, verdict: MachineVerdict): boolean {
  const { endsAt } = verdict;
  return ageOf(verdict) < ms && (endsAt === null || Date.now() < endsAt);
}

function callerOf(tokenType: MachineTokenType, token: ClerkMachineToken): MachinePrincipal {
  const { id, subject, scopes, claims = null, clientId = null, act, createdAt } = token;
  return {
    tokenType,
    id,
    subject,
    clerkUserId: subject.startsWith('user_') ? subject : null,
    impersonatedBy: act?.sub ?? null,
    organization: subject.startsWith('org_') ? { clerkId: subject, slug: null } : null,
    scopes,
    clientId,
    issuedAt: Math.floor(createdAt / 1000),
    claims,
  };
}
