import { Inject, Injectable } from '@nestjs/common';
import { type CryptoKey, compactVerify, errors } from 'jose';
import { SETTINGS, type Settings } from '../config/index.ts';
import { type Claims, refusalOfClaims } from './claims.ts';
import { parseObject, readKeyId } from './token-form.ts';
import { type Refusal, refuse, type Verdict } from './verdict.ts';
import { VerificationKeys } from './verification-keys.service.ts';

/** Verifies a session token from the start: form, key, signature, claims, in this order of cost and trust. */
@Injectable()
export class TokenVerifier {
  readonly #rules: Settings['clerk'];

  constructor(
    private readonly keys: VerificationKeys,
    @Inject(SETTINGS) { clerk }: Settings,
  ) {
    this.#rules = clerk;
  }

  async verify(token: string): Promise<Verdict> {
    const form = readKeyId(token);
    if ('refused' in form) return form;
    const key = await this.keys.find(form.kid);
    if (!key) return this.keys.areKnown ? refuse('token_invalid', false) : refuse('unavailable', false);
    const payload = await verifiedPayload(token, key);
    return payload ? this.#judge(payload) : refuse('token_invalid');
  }

  #judge(payload: Record<string, unknown>): Verdict | Refusal {
    return refusalOfClaims(payload, this.#rules, Date.now()) ?? { claims: deepFreeze(payload) as unknown as Claims };
  }
}

/** The payload when the signature is that of the key (RFC 7515, RS256 only). */
async function verifiedPayload(token: string, key: CryptoKey): Promise<Record<string, unknown> | undefined> {
  try {
    const { payload } = await compactVerify(token, key, { algorithms: ['RS256'] });
    return parseObject(payload);
  } catch (error) {
    if (error instanceof errors.JOSEError) return undefined;
    throw error;
  }
}

/** Claims are shared by every request that brings the token. */
function deepFreeze<T extends object>(value: T): T {
  for (const inner of Object.values(value)) if (typeof inner === 'object' && inner !== null) deepFreeze(inner);
  return Object.freeze(value);
}
