import type { ProblemCode } from '../http/index.ts';
import type { Claims } from './claims.ts';

/** Why a token is refused. `final`: the same token can never be accepted later, so the refusal may be remembered. */
export interface Refusal {
  readonly refused: ProblemCode;
  readonly final: boolean;
}

export type Verdict = { readonly claims: Claims } | Refusal;

export function refuse(refused: ProblemCode, final = true): Refusal {
  return { refused, final };
}
