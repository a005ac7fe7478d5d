import { Inject, Injectable } from '@nestjs/common';
import type { Request } from 'express';
import { SETTINGS, type Settings } from '../config/index.ts';
import { Problem } from '../http/index.ts';
import type { Claims } from './claims.ts';
import { unverifiedPayloadOf } from './jws.ts';
import { cookieNames, isForeign, type SessionCookie, sessionCookies } from './presented-token.ts';
import { idsIn } from './refusal-facts.ts';
import { MAX_TOKEN_BYTES } from './token-form.ts';
import { problemOf, refuse } from './verdict.ts';
import { VerifiedTokens } from './verified-tokens.service.ts';

/** How many different cookies are looked into: other pages of the same site can plant as many as fit into a header. */
const MAX_COOKIES = 4;
/** A cookie that is refused so gives way to another one; any other refusal is the answer. */
const GIVES_WAY = ['token_invalid', 'token_expired', 'token_not_active'];

/**
 * Reads Clerk's session cookie from callers of the same origin. A browser may send several: the plain one, the one with our
 * suffix, and old ones of either name. By Clerk's rule the one of our issuer with the later `iat` counts
 * (@clerk/backend, tokens/authenticateContext, usesSuffixedCookies). Nobody has signed that `iat` yet, so a cookie that does
 * not hold gives way to the next.
 */
@Injectable()
export class SessionCookies {
  readonly #settings: Settings['clerk'];
  readonly #names: string[];

  constructor(
    private readonly tokens: VerifiedTokens,
    @Inject(SETTINGS) { clerk }: Settings,
  ) {
    this.#settings = clerk;
    this.#names = clerk.cookieAuth ? cookieNames(clerk.publishableKey) : [];
  }

  /** Empty: the request has none. Throws `token_invalid` when another site makes the request. */
  in(request: Request): SessionCookie[] {
    const cookies = sessionCookies(request, this.#names);
    if (cookies.length > 0 && isForeign(request, this.#settings.authorizedParties ?? []))
      throw problemOf(refuse('token_invalid', 'foreign_page'));
    return cookies;
  }

  /** Throws the refusal of the cookie that counts. */
  async claimsOf(cookies: SessionCookie[]): Promise<Claims> {
    const candidates = this.#newestFirst(cookies.slice(0, MAX_COOKIES));
    let refusal: Problem | undefined;
    for (const cookie of candidates) {
      const claims = await this.#verify(cookie);
      if (!(claims instanceof Problem)) return this.#onlyOf(cookie, claims, candidates);
      if (!GIVES_WAY.includes(claims.code)) throw claims;
      refusal ??= claims;
    }
    throw refusal ?? problemOf(refuse('token_invalid', 'malformed'));
  }

  /** Two good tokens under one name: somebody planted one of them, and nobody can tell which. */
  async #onlyOf({ name, token }: SessionCookie, claims: Claims, candidates: SessionCookie[]): Promise<Claims> {
    for (const other of candidates)
      if (other.name === name && other.token !== token && !((await this.#verify(other)) instanceof Problem))
        throw problemOf(refuse('token_invalid', 'ambiguous_cookies', idsIn(claims)));
    return claims;
  }

  /** Browsers attach cookies by themselves, so a cookie must name the page that its token was made for. */
  async #verify({ token }: SessionCookie): Promise<Claims | Problem> {
    try {
      const claims = await this.tokens.claimsOf(token);
      return claims.azp === undefined ? problemOf(refuse('token_invalid', 'missing_azp', idsIn(claims))) : claims;
    } catch (error) {
      if (error instanceof Problem) return error;
      throw error;
    }
  }

  /** Those of our issuer, by what they say themselves; where none is, the first, for its refusal. */
  #newestFirst(cookies: SessionCookie[]): SessionCookie[] {
    if (cookies.length < 2) return cookies;
    const ours = cookies.flatMap((cookie) => {
      const payload = cookie.token.length <= MAX_TOKEN_BYTES ? unverifiedPayloadOf(cookie.token) : undefined;
      if (!this.#settings.issuers.includes(payload?.iss as string)) return [];
      return [{ cookie, iat: typeof payload?.iat === 'number' ? payload.iat : 0 }];
    });
    if (ours.length === 0) return cookies.slice(0, 1);
    return ours.toSorted((a, b) => b.iat - a.iat).map(({ cookie }) => cookie);
  }
}
