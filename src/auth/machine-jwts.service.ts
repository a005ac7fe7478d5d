import type { KeyObject } from 'node:crypto';
import { verifyMachineAuthToken } from '@clerk/backend/internal';
import { Inject, Injectable } from '@nestjs/common';
import { audienceOf, ClerkMachineToken } from '../clerk/index.ts';
import { SETTINGS, type Settings } from '../config/index.ts';
import { hasActor, hasTimes, refusalOfIssuer, refusalOfTimes } from './claims.ts';
import { headerOf, keyIdIn } from './jws.ts';
import { idsIn } from './refusal-facts.ts';
import { MAX_TOKEN_BYTES } from './token-form.ts';
import { TokenSignatures } from './token-signatures.service.ts';
import type { MachineTokenType } from './token-type.ts';
import { type Refusal, refuse } from './verdict.ts';

/** Verifies JWTs of machines (M2M and OAuth access tokens, RFC 9068), without asking anybody about them. */
@Injectable()
export class MachineJwts {
  readonly #rules: Settings['clerk'];

  constructor(
    private readonly signatures: TokenSignatures,
    @Inject(SETTINGS) { clerk }: Settings,
  ) {
    this.#rules = clerk;
  }

  /** Form, key, signature and claims, as of a session token; then what the SDK reads in it. */
  async verify(type: MachineTokenType, token: string): Promise<{ token: ClerkMachineToken } | Refusal> {
    const header = token.length <= MAX_TOKEN_BYTES ? headerOf(token) : undefined;
    if (!header) return refuse('token_invalid', 'malformed');
    const kid = keyIdIn(header);
    if (kid === undefined) return refuse('token_invalid', 'wrong_header');
    const signed = await this.signatures.verify(token, kid);
    if ('refused' in signed) return signed;
    const refusal = this.#refusalOf(signed.payload);
    if (refusal) return { ...refusal, ...idsIn(signed.payload) };
    const read = await this.#read(type, token, signed.key);
    if (read && type === 'm2m_token') return { token: { ...read, aud: audienceOf(signed.payload.aud) ?? read.scopes } };
    return read ? { token: read } : refuse('token_invalid', 'wrong_claims', idsIn(signed.payload));
  }

  /**
   * It knows the categories, but neither the issuer nor when a key changes, and says of no refusal what it was. It reads RSA
   * keys of 2048 bits alone, as Clerk's are, and throws at claims of a form that it does not expect.
   */
  async #read(type: MachineTokenType, token: string, key: KeyObject): Promise<ClerkMachineToken | undefined> {
    const jwtKey = key.export({ type: 'spki', format: 'pem' }) as string;
    const options = { jwtKey, clockSkewInMs: this.#rules.clockSkewMs };
    const answer = await verifyMachineAuthToken(token, options).catch(() => undefined);
    const { success, data } = ClerkMachineToken.safeParse(answer?.data);
    return success && answer?.tokenType === type && !data.expired ? data : undefined;
  }

  #refusalOf(payload: Record<string, unknown>): Refusal | undefined {
    const refusal = refusalOfIssuer(payload, this.#rules);
    if (refusal) return refusal;
    if (!hasTimes(payload) || !hasActor(payload)) return refuse('token_invalid', 'wrong_claims');
    return refusalOfTimes(payload, this.#rules.clockSkewMs, Date.now());
  }
}
