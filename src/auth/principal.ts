import { type ActiveOrganization, activeOrganizationOf } from './active-organization.ts';
import type { Claims } from './claims.ts';

/** Who calls, in this request. */
export interface Principal {
  /** Clerk's id of the user. */
  readonly clerkUserId: string;
  readonly sessionId: string;
  /** Clerk's id of who acts as the user (`act`, RFC 8693), else null. */
  readonly impersonatedBy: string | null;
  /** Null: no organization is active. */
  readonly organization: ActiveOrganization | null;
  readonly claims: Claims;
}

declare module 'express' {
  interface Request {
    /** Set by ClerkAuthGuard; absent on public routes. */
    principal?: Principal;
  }
}

export function principalOf(claims: Claims): Principal {
  const actor = claims.act?.sub;
  return {
    clerkUserId: claims.sub,
    sessionId: claims.sid,
    impersonatedBy: typeof actor === 'string' ? actor : null,
    organization: activeOrganizationOf(claims),
    claims,
  };
}
