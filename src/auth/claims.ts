import { hasOrganizationClaims } from './organization-claims.ts';
import { shown } from './refusal-facts.ts';
import { type Refusal, refuse } from './verdict.ts';

/** What Clerk's session token says (https://clerk.com/docs/guides/sessions/session-tokens); times in seconds. */
export interface Claims {
  readonly iss: string;
  readonly sub: string;
  readonly sid: string;
  readonly iat: number;
  readonly exp: number;
  readonly nbf?: number;
  readonly azp?: string;
  readonly sts?: string;
  readonly act?: { readonly sub: string };
  readonly [custom: string]: unknown;
}

export interface ClaimRules {
  issuers: string[];
  /** Exact origins; undefined: any. */
  authorizedParties: string[] | undefined;
  clockSkewMs: number;
  maxTokenLifetimeS: number;
}

type Payload = Record<string, unknown>;

/** The rules that a payload with a good signature must also meet; undefined: it meets them. */
export function refusalOfClaims(payload: Payload, rules: ClaimRules, nowMs: number): Refusal | undefined {
  const refusal = refusalOfIssuer(payload, rules) ?? refusalOfParty(payload, rules);
  if (refusal) return refusal;
  if (!hasIdentity(payload)) return refuse('token_invalid', 'wrong_subject');
  if (!isShortLived(payload, rules)) return refuse('token_invalid', 'wrong_lifetime');
  if (!hasOrganizationClaims(payload) || !hasActor(payload)) return refuse('token_invalid', 'wrong_claims');
  return refusalOfTimes(payload, rules.clockSkewMs, nowMs) ?? refusalOfStatus(payload);
}

/** Asked again on every use of a remembered token; a token that is over by the clock is verified anew, with its skew. */
export function isWithinTimes({ exp, nbf }: Claims, clockSkewMs: number, nowMs: number): boolean {
  return nowMs < exp * 1000 && (nbf === undefined || nbf * 1000 <= nowMs + clockSkewMs);
}

export function refusalOfIssuer({ iss }: Payload, { issuers }: Pick<ClaimRules, 'issuers'>): Refusal | undefined {
  if (typeof iss === 'string' && issuers.includes(iss)) return undefined;
  return refuse('token_invalid', 'wrong_issuer', { issuer: shown(iss) });
}

function refusalOfParty({ azp }: Payload, { authorizedParties }: ClaimRules): Refusal | undefined {
  if (azp === undefined) return undefined;
  if (typeof azp === 'string' && (authorizedParties === undefined || authorizedParties.includes(azp))) return undefined;
  return refuse('token_invalid', 'wrong_azp', { origin: shown(azp) });
}

function hasIdentity({ sub, sid }: Payload): boolean {
  return typeof sub === 'string' && /^user_\w{1,100}$/.test(sub) && typeof sid === 'string' && /^\S{1,200}$/.test(sid);
}

/** Who acts as the user (RFC 8693, section 4.1); one that has no name would pass for nobody. */
export function hasActor({ act }: Payload): boolean {
  return act === undefined || (typeof act === 'object' && act !== null && isName((act as Payload).sub));
}

function isName(value: unknown): boolean {
  return typeof value === 'string' && value !== '';
}

/** Clerk's API can mint tokens for years: a session token lives no longer than the setting allows. */
function isShortLived(payload: Payload, { maxTokenLifetimeS }: ClaimRules): boolean {
  return hasTimes(payload) && payload.exp - payload.iat <= maxTokenLifetimeS;
}

/** When it was made and when it ends; times in seconds. */
export function hasTimes(payload: Payload): payload is Payload & { iat: number; exp: number; nbf?: number } {
  const { iat, exp, nbf } = payload;
  return isTime(iat) && isTime(exp) && (nbf === undefined || isTime(nbf)) && exp > iat;
}

/** Of a payload that has times. */
export function refusalOfTimes(payload: Payload, clockSkewMs: number, nowMs: number): Refusal | undefined {
  const { iat, exp, nbf } = payload as unknown as Claims;
  if (exp * 1000 <= nowMs - clockSkewMs) return refuse('token_expired');
  if (Math.max(iat, nbf ?? 0) * 1000 > nowMs + clockSkewMs)
    return refuse('token_not_active', undefined, { final: false });
  return undefined;
}

function refusalOfStatus({ sts }: Payload): Refusal | undefined {
  if (sts === undefined || sts === 'active') return undefined;
  return sts === 'pending' ? refuse('session_pending') : refuse('token_invalid', 'wrong_claims');
}

function isTime(value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value) && value >= 0;
}
