import { type KeyObject, verify } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { parseObject } from './jws.ts';
import { type Refusal, type RefusalReason, refuse } from './verdict.ts';
import { VerificationKeys } from './verification-keys.service.ts';

/** What a JWT says, and the key that signed it. */
interface Signed {
  payload: Record<string, unknown>;
  key: KeyObject;
}

/** Who signed a JWT: Clerk, with one of its keys, or nobody that counts. */
@Injectable()
export class TokenSignatures {
  constructor(private readonly keys: VerificationKeys) {}

  async verify(token: string, kid: string): Promise<Signed | Refusal> {
    const key = await this.keys.find(kid);
    if (!key) return this.#refuse(this.keys.areKnown ? 'unknown_kid' : 'no_key_set');
    return signedBy(key, token) ?? (await this.#verifyRenewed(token, kid)) ?? this.#refuse('bad_signature');
  }

  /** A 401 signs people out, so it needs keys that are Clerk's for sure. */
  #refuse(reason: RefusalReason): Refusal {
    if (!this.keys.areFetched) return refuse('unavailable', reason, { final: false });
    return refuse('token_invalid', reason, { final: reason === 'bad_signature' });
  }

  /** Clerk may change a key and keep its id, which is that of the instance: a bad signature is a reason to look. */
  async #verifyRenewed(token: string, kid: string): Promise<Signed | undefined> {
    const key = await this.keys.renewed(kid);
    return key && signedBy(key, token);
  }
}

/**
 * The payload when the signature is that of the key: RSASSA-PKCS1-v1_5 with SHA-256 (RFC 7518, section 3.3), whatever the
 * header says. Node's own call: jose's goes through WebCrypto and takes twice as long.
 */
function signedBy(key: KeyObject, token: string): Signed | undefined {
  const end = token.lastIndexOf('.');
  const signature = Buffer.from(token.slice(end + 1), 'base64url');
  if (!verify('sha256', Buffer.from(token.slice(0, end)), key, signature)) return undefined;
  const payload = parseObject(Buffer.from(token.slice(token.indexOf('.') + 1, end), 'base64url'));
  return payload && { payload, key };
}
