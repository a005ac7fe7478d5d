import { verifyMachineAuthToken } from '@clerk/backend/internal';
import { Inject, Injectable } from '@nestjs/common';
import { ClerkMachineToken } from '../clerk/index.ts';
import { SETTINGS, type Settings } from '../config/index.ts';
import { hasTimes, refusalOfTimes } from './claims.ts';
import { headerOf, keyIdIn } from './jws.ts';
import { MAX_TOKEN_BYTES } from './token-form.ts';
import { TokenSignatures } from './token-signatures.service.ts';
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

  /**
   * The SDK reads the token last: it knows the categories, but neither the issuer nor when a key changes, and says of no
   * refusal what it was. It reads RSA keys of 2048 bits alone, as Clerk's are.
   */
  async verify(token: string): Promise<{ token: ClerkMachineToken } | Refusal> {
    const header = token.length <= MAX_TOKEN_BYTES ? headerOf(token) : undefined;
    const kid = header && keyIdIn(header);
    if (kid === undefined) return refuse('token_invalid');
    const signed = await this.signatures.verify(token, kid);
    if ('refused' in signed) return signed;
    const refusal = this.#refusalOf(signed.payload);
    if (refusal) return refusal;
    const jwtKey = signed.key.export({ type: 'spki', format: 'pem' }) as string;
    const { data } = await verifyMachineAuthToken(token, { jwtKey, clockSkewInMs: this.#rules.clockSkewMs });
    const read = ClerkMachineToken.safeParse(data);
    return read.success ? { token: read.data } : refuse('token_invalid');
  }

  #refusalOf(payload: Record<string, unknown>): Refusal | undefined {
    const isOurs = typeof payload.iss === 'string' && this.#rules.issuers.includes(payload.iss);
    if (!isOurs || !hasTimes(payload)) return refuse('token_invalid');
    return refusalOfTimes(payload, this.#rules.clockSkewMs, Date.now());
  }
}
