import { type ActiveOrganization, activeOrganizationOf } from './active-organization.ts';
import type { Claims } from './claims.ts';
import type { MachineTokenType } from './token-type.ts';

/** Who calls, in this request. */
export type Principal = SessionPrincipal | MachinePrincipal;

/** A person, signed in. */
export interface SessionPrincipal {
  readonly tokenType: 'session_token';
  /** Clerk's id of the user. */
  readonly clerkUserId: string;
  readonly sessionId: string;
  /** Clerk's id of who acts as the user (`act`, RFC 8693), else null. */
  readonly impersonatedBy: string | null;
  /** Null: no organization is active. */
  readonly organization: ActiveOrganization | null;
  /** When the token was issued: Unix time in seconds. */
  readonly issuedAt: number;
  readonly claims: Claims;
}

/** A program, with an API key, a token between machines, or one that a user gave to an application. */
export interface MachinePrincipal {
  readonly tokenType: MachineTokenType;
  /** Clerk's id of the key or token; not the secret. */
  readonly id: string;
  /** Clerk's id of whose it is: `user_…`, `org_…` or `mch_…`. */
  readonly subject: string;
  /** Null: it is no user's. */
  readonly clerkUserId: string | null;
  readonly impersonatedBy: string | null;
  /** Null: it is no organization's. */
  readonly organization: { readonly clerkId: string; readonly slug: null } | null;
  readonly scopes: readonly string[];
  /** Clerk's id of the OAuth application that a user gave the token to, else null. */
  readonly clientId: string | null;
  /** When it was made: Unix time in seconds. */
  readonly issuedAt: number;
  /** Custom claims of the key or token. */
  readonly claims: Readonly<Record<string, unknown>> | null;
}

/** A user as a token names it; a session's may carry a profile in custom claims. */
export interface ClaimedUser {
  readonly sub: string;
  readonly [claim: string]: unknown;
}

declare module 'express' {
  interface Request {
    /** Set by ClerkAuthGuard; absent on public routes. */
    principal?: Principal;
  }
}

export function principalOf(claims: Claims): SessionPrincipal {
  return {
    tokenType: 'session_token',
    clerkUserId: claims.sub,
    sessionId: claims.sid,
    impersonatedBy: claims.act?.sub ?? null,
    organization: activeOrganizationOf(claims),
    issuedAt: claims.iat,
    claims,
  };
}

/** Null: the caller is no user. What a key's own claims say of a profile is not Clerk's word. */
export function claimedUserOf(principal: Principal): ClaimedUser | null {
  if (principal.tokenType === 'session_token') return principal.claims;
  return principal.clerkUserId === null ? null : { sub: principal.clerkUserId };
}
