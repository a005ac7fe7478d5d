import { hash } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { LRUCache } from 'lru-cache';
import { SingleFlight } from '../database/index.ts';
import { Problem, retryAfter } from '../http/index.ts';
import { Audience } from './audience.service.ts';
import { isFresh, isServable, type MachineVerdict, SERVABLE_MS, verdictOf } from './machine-verdict.ts';
import { MachineVerifier } from './machine-verifier.service.ts';
import { Newcomers } from './newcomers.service.ts';
import type { MachinePrincipal } from './principal.ts';
import { ProvenKeys } from './proven-keys.service.ts';
import { Refusals } from './refusals.ts';
import type { Rule } from './rule.ts';
import { SharedVerdicts } from './shared-verdicts.service.ts';
import { isMachineSecret, type MachineTokenType, machineTypeOf } from './token-type.ts';
import { problemOf, type Refusal, refuse } from './verdict.ts';
import { VerificationKeys } from './verification-keys.service.ts';

const MAX_KNOWN = 10_000;

/** A token as it came, with its SHA-256 and from where. */
interface Presented {
  type: MachineTokenType;
  token: string;
  key: string;
  address: string;
}

/**
 * Whose a machine's token is. Clerk is asked once a minute for all who bring it, here and in the processes that share a
 * Redis; a token that nobody verified yet waits for its turn, so that made-up ones cost who has one nothing.
 */
@Injectable()
export class MachineTokens {
  readonly #known = remembered();
  /** The same of JWTs, whose verdicts go with the key that signed them. */
  readonly #signed = remembered();
  readonly #refusals = new Refusals();
  readonly #learning = new SingleFlight<MachineVerdict>();

  constructor(
    private readonly verifier: MachineVerifier,
    private readonly newcomers: Newcomers,
    private readonly shared: SharedVerdicts,
    private readonly proven: ProvenKeys,
    private readonly audience: Audience,
    keys: VerificationKeys,
  ) {
    keys.onRemoved(() => this.#signed.clear());
  }

  /** Throws the Problem that refuses the token; `address` is who sent it, and `rules` those of the route. */
  async principalOf(
    type: MachineTokenType,
    token: string,
    address: string,
    rules: readonly Rule[],
  ): Promise<MachinePrincipal> {
    const key = hash('sha256', token, 'base64url');
    const known = this.#memoryOf(token).get(key);
    if (known && isFresh(known)) return this.#callerBy(known, rules);
    this.#refusals.check(key);
    const verdict = await this.#learning.run(key, () => this.#learn({ type, token, key, address }, known));
    return this.#callerBy(verdict, rules);
  }

  #callerBy(verdict: MachineVerdict, rules: readonly Rule[]): MachinePrincipal {
    const refusal = this.audience.refusalOf(verdict, rules);
    if (refusal) throw problemOf(refusal);
    return verdict.principal;
  }

  async #learn(presented: Presented, known: MachineVerdict | undefined): Promise<MachineVerdict> {
    const { token, address } = presented;
    if (machineTypeOf(token)) return this.#learnTogether(presented, known);
    if (!known) this.newcomers.admit(address);
    return this.#ask(presented, known);
  }

  /** With the processes that share a Redis: one call to Clerk for all. */
  async #learnTogether(presented: Presented, known: MachineVerdict | undefined): Promise<MachineVerdict> {
    const { token, key, address } = presented;
    if (!isMachineSecret(token)) throw this.#refuse(presented, refuse('token_invalid', 'malformed'));
    const shared = await this.shared.find(key);
    if (shared && isFresh(shared)) return this.#remember(presented, shared);
    if (!shared && !this.proven.has(key)) this.newcomers.admitToClerk(address);
    // not what is shared: this process may have seen it refused since
    return this.#remember(presented, await this.shared.learn(key, () => this.#ask(presented, known)));
  }

  /** A verdict that was good serves longer only where nobody could say that it is not. */
  async #ask(presented: Presented, known: MachineVerdict | undefined): Promise<MachineVerdict> {
    const askedAt = performance.now();
    const answer = await this.verifier.verify(presented.type, presented.token);
    const isUnasked = answer === 'away' || (typeof answer === 'object' && 'waitMs' in answer);
    if (isUnasked && known && isServable(known)) return known;
    if (answer === 'away' || answer === 'unclear') throw new Problem('unavailable');
    if ('busyMs' in answer) throw new Problem('unavailable', { headers: retryAfter(answer.busyMs) });
    if ('waitMs' in answer) throw new Problem('unavailable', { headers: retryAfter(answer.waitMs) });
    if ('refused' in answer) {
      if (this.proven.has(presented.key)) await this.shared.forget(presented.key);
      throw this.#refuse(presented, answer);
    }
    return this.#remember(presented, verdictOf(presented.type, answer.token, askedAt));
  }

  #remember({ token, key }: Presented, verdict: MachineVerdict): MachineVerdict {
    this.#memoryOf(token).set(key, verdict);
    if (machineTypeOf(token)) this.proven.add(key);
    return verdict;
  }

  #refuse({ token, key, address }: Presented, refusal: Refusal): Problem {
    this.#memoryOf(token).delete(key);
    this.proven.delete(key);
    if (refusal.final) this.#refusals.add(key, refusal);
    if (refusal.refused !== 'unavailable') this.newcomers.failed(address);
    return problemOf(refusal);
  }

  #memoryOf(token: string): LRUCache<string, MachineVerdict> {
    return machineTypeOf(token) ? this.#known : this.#signed;
  }
}

function remembered(): LRUCache<string, MachineVerdict> {
  return new LRUCache({ max: MAX_KNOWN, ttl: SERVABLE_MS });
}
