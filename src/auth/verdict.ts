import { Problem, type ProblemCode } from '../http/index.ts';
import type { Claims } from './claims.ts';
import type { RefusalFacts } from './refusal-facts.ts';

/** Why a token is `token_invalid`, for operators: a client learns the code alone. */
export type RefusalReason =
  | 'malformed'
  | 'wrong_header'
  | 'wrong_type'
  | 'wrong_category'
  | 'no_key_set'
  | 'unknown_kid'
  | 'bad_signature'
  | 'wrong_issuer'
  | 'wrong_azp'
  | 'missing_azp'
  | 'wrong_subject'
  | 'wrong_lifetime'
  | 'wrong_claims'
  | 'wrong_audience'
  | 'missing_audience'
  | 'unknown_to_clerk'
  | 'foreign_page'
  | 'ambiguous_cookies';

/** Why a token is refused. `final`: the same token can never be accepted later, so the refusal may be remembered. */
export interface Refusal extends RefusalFacts {
  readonly refused: ProblemCode;
  /** The code, where it says it all. */
  readonly reason: RefusalReason | ProblemCode;
  readonly final: boolean;
}

export type Verdict = { readonly claims: Claims } | Refusal;

export function refuse(
  refused: ProblemCode,
  reason?: RefusalReason,
  facts: RefusalFacts & { final?: boolean } = {},
): Refusal {
  return { refused, reason: reason ?? refused, final: true, ...facts };
}

/** The Problem of a refusal, which tells the client its code and the log the rest. */
export function problemOf({ refused, final, ...facts }: Refusal): Problem {
  return new Problem(refused, { logged: facts });
}
