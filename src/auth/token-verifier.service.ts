import { type KeyObject, verify } from 'node:crypto';
import { Inject, Injectable } from '@nestjs/common';
import { SETTINGS, type Settings } from '../config/index.ts';
import { deepFreeze } from '../database/index.ts';
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
    const payload = verifiedPayload(token, key) ?? (await this.#verifyRenewed(token, form.kid));
    return payload ? this.#judge(payload) : refuse('token_invalid');
  }

  /** Clerk may change a key and keep its id, which is that of the instance: a bad signature is a reason to look. */
  async #verifyRenewed(token: string, kid: string): Promise<Record<string, unknown> | undefined> {
    const key = await this.keys.renewed(kid);
    return key && verifiedPayload(token, key);
  }

  #judge(payload: Record<string, unknown>): Verdict | Refusal {
    return refusalOfClaims(payload, this.#rules, Date.now()) ?? { claims: deepFreeze(payload) as unknown as Claims };
  }
}

/**
 * The payload when the signature is that of the key: RSASSA-PKCS1-v1_5 with SHA-256 (RFC 7518, section 3.3), whatever the
 * header says. Node's own call: jose's goes through WebCrypto and takes twice as long.
 */
function verifiedPayload(token: string, key: KeyObject): Record<string, unknown> | undefined {
  const end = token.lastIndexOf('.');
  const signature = Buffer.from(token.slice(end + 1), 'base64url');
  if (!verify('sha256', Buffer.from(token.slice(0, end)), key, signature)) return undefined;
  return parseObject(Buffer.from(token.slice(token.indexOf('.') + 1, end), 'base64url'));
}
