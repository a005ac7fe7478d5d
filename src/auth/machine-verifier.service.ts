import { Injectable } from '@nestjs/common';
import { ClerkMachineTokens, type MachineTokenAnswer } from '../clerk/index.ts';
import { MachineJwts } from './machine-jwts.service.ts';
import { idsIn } from './refusal-facts.ts';
import { type MachineTokenType, machineTypeOf } from './token-type.ts';
import { type Refusal, refuse } from './verdict.ts';

export type MachineAnswer = Exclude<MachineTokenAnswer, 'unknown'> | Refusal;

/** Whether a token of a machine is good, by Clerk's word or signature. */
@Injectable()
export class MachineVerifier {
  constructor(
    private readonly clerk: ClerkMachineTokens,
    private readonly jwts: MachineJwts,
  ) {}

  async verify(type: MachineTokenType, token: string): Promise<MachineAnswer> {
    if (!machineTypeOf(token)) return this.jwts.verify(type, token);
    const answer = await this.clerk.verify(type, token);
    if (answer === 'unknown') return refuse('token_invalid', 'unknown_to_clerk');
    return typeof answer === 'object' && 'token' in answer ? judge(answer) : answer;
  }
}

/** Clerk answers 200 for a token that is over, and says so inside, which its SDK does not look at. */
function judge(answer: Extract<MachineAnswer, { token: unknown }>): MachineAnswer {
  const { revoked, expired, expiration, subject } = answer.token;
  const ids = idsIn({ sub: subject });
  if (revoked) return refuse('token_revoked', undefined, ids);
  const isOver = expiration !== null && expiration <= Date.now();
  return expired || isOver ? refuse('token_expired', undefined, ids) : answer;
}
