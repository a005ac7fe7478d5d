import { newSecret } from './ids.ts';
import { registeredClaims } from './machine-token.ts';
import { newTokenRow, type Shown, shown, TokenBook, type TokenRow } from './token-book.ts';

/** Clerk's default. */
const LIFETIME_S = 86_400;

/** What tells the JWT of an application from that of a session; Clerk gives it no `cat`. */
export const OAUTH_JWT = { typ: 'at+jwt', cat: undefined };

/** An OAuth access token in the shape of Clerk's Backend API (2026-05-12), but for `expired` and the times. */
export interface OAuthTokenRow extends TokenRow {
  object: 'clerk_idp_oauth_access_token';
  client_id: string;
  /** The resources that it is for (RFC 8707); without it of any. */
  aud?: string[];
}

export type NewOAuthToken = Pick<OAuthTokenRow, 'subject'> &
  Partial<Pick<OAuthTokenRow, 'scopes' | 'client_id' | 'aud'>> & { seconds_until_expiration?: number };

/** The OAuth access tokens that are not JWTs: those stand by their signature, and are not kept. */
export class OAuthTokens extends TokenBook<OAuthTokenRow> {
  constructor() {
    super('OAuth token');
  }

  create(facts: NewOAuthToken): Shown<OAuthTokenRow> & { token: string } {
    const row = anOAuthToken(facts);
    const token = newSecret('oat');
    this.add(row, token);
    return { ...shown(row), token };
  }
}

/** What an application may do in the name of the user `subject`. */
export function anOAuthToken({ subject, ...facts }: NewOAuthToken): OAuthTokenRow {
  return {
    object: 'clerk_idp_oauth_access_token',
    ...newTokenRow('oat', facts.seconds_until_expiration ?? LIFETIME_S),
    subject,
    client_id: facts.client_id ?? 'client_local',
    scopes: facts.scopes ?? ['profile', 'email'],
    ...(facts.aud && { aud: facts.aud }),
  };
}

/** The same in the form of a JWT. */
export function oauthClaims(issuer: string, { subject, scopes, client_id, aud, ...row }: OAuthTokenRow): object {
  return { iss: issuer, sub: subject, aud, client_id, scope: scopes.join(' '), ...registeredClaims(row) };
}

/** With times in seconds, unlike everything else of Clerk. */
export function shownOAuthToken({ expiration, created_at, updated_at, ...token }: Shown<OAuthTokenRow>): object {
  const [created, updated] = [created_at, updated_at].map(secondsOf);
  return { ...token, expiration: expiration && secondsOf(expiration), created_at: created, updated_at: updated };
}

function secondsOf(ms: number): number {
  return Math.floor(ms / 1000);
}
