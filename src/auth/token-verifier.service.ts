import { Inject, Injectable } from '@nestjs/common';
import { SETTINGS, type Settings } from '../config/index.ts';
import { deepFreeze } from '../database/index.ts';
import { type Claims, refusalOfClaims } from './claims.ts';
import { idsIn } from './refusal-facts.ts';
import { readKeyId } from './token-form.ts';
import { TokenSignatures } from './token-signatures.service.ts';
import type { Verdict } from './verdict.ts';

/** Verifies a session token from the start: form, key, signature, claims, in this order of cost and trust. */
@Injectable()
export class TokenVerifier {
  readonly #rules: Settings['clerk'];

  constructor(
    private readonly signatures: TokenSignatures,
    @Inject(SETTINGS) { clerk }: Settings,
  ) {
    this.#rules = clerk;
  }

  async verify(token: string): Promise<Verdict> {
    const form = readKeyId(token);
    if ('refused' in form) return form;
    const signed = await this.signatures.verify(token, form.kid);
    if ('refused' in signed) return signed;
    const { payload } = signed;
    const refusal = refusalOfClaims(payload, this.#rules, Date.now());
    return refusal ? { ...refusal, ...idsIn(payload) } : { claims: deepFreeze(payload) as unknown as Claims };
  }
}
