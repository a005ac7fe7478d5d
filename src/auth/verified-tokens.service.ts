import { hash } from 'node:crypto';
import { CACHE_MANAGER } from '@nestjs/cache-manager';
import { Inject, Injectable } from '@nestjs/common';
import type { Cache } from 'cache-manager';
import { SETTINGS, type Settings } from '../config/index.ts';
import { SingleFlight } from '../database/index.ts';
import { type Claims, isWithinTimes } from './claims.ts';
import { Refusals } from './refusals.ts';
import { MAX_TOKEN_BYTES } from './token-form.ts';
import { TokenVerifier } from './token-verifier.service.ts';
import { problemOf, refuse, type Verdict } from './verdict.ts';
import { VerificationKeys } from './verification-keys.service.ts';

/** The claims of a token: verified once, then remembered until they expire, under the SHA-256 of the whole token. */
@Injectable()
export class VerifiedTokens {
  readonly #verifying = new SingleFlight<Verdict>();
  readonly #refusals = new Refusals();
  readonly #clockSkewMs: number;

  constructor(
    private readonly verifier: TokenVerifier,
    @Inject(CACHE_MANAGER) private readonly cache: Cache,
    @Inject(SETTINGS) { clerk }: Settings,
    keys: VerificationKeys,
  ) {
    this.#clockSkewMs = clerk.clockSkewMs;
    keys.onRemoved(() => void this.cache.clear());
  }

  /** Throws the Problem that refuses the token. */
  async claimsOf(token: string): Promise<Claims> {
    if (token.length > MAX_TOKEN_BYTES) throw problemOf(refuse('token_invalid', 'malformed'));
    const key = hash('sha256', token, 'base64url');
    const known = await this.cache.get<Claims>(key);
    if (known && isWithinTimes(known, this.#clockSkewMs, Date.now())) return known;
    this.#refusals.check(key);
    const verdict = await this.#verifying.run(key, () => this.#verify(key, token));
    if ('claims' in verdict) return verdict.claims;
    throw problemOf(verdict);
  }

  async #verify(key: string, token: string): Promise<Verdict> {
    const verdict = await this.verifier.verify(token);
    if ('claims' in verdict) {
      const ttl = verdict.claims.exp * 1000 - Date.now();
      if (ttl > 0) await this.cache.set(key, verdict.claims, ttl);
    } else if (verdict.final) this.#refusals.add(key, verdict);
    return verdict;
  }
}
