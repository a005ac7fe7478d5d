import { Inject, Injectable } from '@nestjs/common';
import { type ClerkMachineToken, ClerkMachineTokens, type MachineTokenAnswer } from '../clerk/index.ts';
import { SETTINGS, type Settings } from '../config/index.ts';
import { MachineJwts } from './machine-jwts.service.ts';
import { type MachineTokenType, machineTypeOf } from './token-type.ts';
import { type Refusal, refuse } from './verdict.ts';

export type MachineAnswer = Exclude<MachineTokenAnswer, 'unknown'> | Refusal;

/** Whether a token of a machine is good, by Clerk's word or signature. */
@Injectable()
export class MachineVerifier {
  readonly #clockSkewMs: number;

  constructor(
    private readonly clerk: ClerkMachineTokens,
    private readonly jwts: MachineJwts,
    @Inject(SETTINGS) { clerk: { clockSkewMs } }: Settings,
  ) {
    this.#clockSkewMs = clockSkewMs;
  }

  async verify(type: MachineTokenType, token: string): Promise<MachineAnswer> {
    const answer = machineTypeOf(token) ? await this.clerk.verify(type, token) : await this.jwts.verify(token);
    if (answer === 'unknown') return refuse('token_invalid');
    return typeof answer === 'object' && 'token' in answer ? this.#judge(answer.token) : answer;
  }

  /** Clerk answers 200 for a token that is over, and says so inside, which its SDK does not look at. */
  #judge(token: ClerkMachineToken): MachineAnswer {
    if (token.revoked) return refuse('token_revoked');
    const isOver = token.expiration !== null && token.expiration <= Date.now() - this.#clockSkewMs;
    return token.expired || isOver ? refuse('token_expired') : { token };
  }
}
