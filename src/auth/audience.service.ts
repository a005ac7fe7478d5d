import { Inject, Injectable } from '@nestjs/common';
import { SETTINGS, type Settings } from '../config/index.ts';
import type { MachineVerdict } from './machine-verdict.ts';
import { idsIn, shown } from './refusal-facts.ts';
import type { Rule } from './rule.ts';
import { type Refusal, type RefusalReason, refuse } from './verdict.ts';

const MACHINE = 'mch_';
/** An address of a host alone, of which the slash at the end means nothing (RFC 3986, section 6.2.3). */
const HOST_WITH_SLASH = /^[a-z][a-z\d+.-]*:\/\/[^/?#]+\/$/;

/**
 * Whether a good token of a machine is meant for this service: whoever gets one for another service, above all that service
 * itself, must not use it here (RFC 7519, section 4.1.3). It depends on the route, so it is no part of the verdict.
 */
@Injectable()
export class Audience {
  readonly #machineId: string | undefined;
  readonly #isMachine: boolean;
  readonly #resources: Set<string>;
  readonly #isRequired: boolean;

  constructor(@Inject(SETTINGS) { clerk, oauth }: Settings) {
    this.#machineId = clerk.machineId;
    this.#isMachine = clerk.machineSecretKey !== undefined;
    this.#resources = new Set(oauth.audiences.map(withoutSlash));
    this.#isRequired = oauth.isAudienceRequired;
  }

  /** Undefined: it is for us, or for whoever takes it. */
  refusalOf(verdict: MachineVerdict, rules: readonly Rule[]): Refusal | undefined {
    const { principal, audience } = verdict;
    if (audience === undefined)
      return principal.tokenType === 'oauth_token' && this.#isRequired
        ? this.#refuse(verdict, 'missing_audience')
        : undefined;
    const isOurs =
      principal.tokenType === 'm2m_token' ? this.#namesMachine(audience, rules) : this.#namesResource(audience);
    return isOurs ? undefined : this.#refuse(verdict, 'wrong_audience');
  }

  /** Where this service is a machine without knowing which, only the route can say. Where it is none, it takes those of all. */
  #namesMachine(audience: readonly string[], rules: readonly Rule[]): boolean {
    if (this.#machineId !== undefined) return audience.includes(this.#machineId);
    if (!this.#isMachine) return audience.length === 0 || audience.some((each) => each.startsWith(MACHINE));
    return rules.some((rule) => rule.refusal === 'scope_required' && isMachineIn(audience, rule.scope));
  }

  #namesResource(audience: readonly string[]): boolean {
    return audience.some((each) => this.#resources.has(withoutSlash(each)));
  }

  #refuse({ principal, audience = [] }: MachineVerdict, reason: RefusalReason): Refusal {
    return refuse('token_invalid', reason, {
      ...idsIn({ sub: principal.subject }),
      audience: shown(audience[0] ?? ''),
    });
  }
}

function isMachineIn(audience: readonly string[], scope: string): boolean {
  return scope.startsWith(MACHINE) && audience.includes(scope);
}

function withoutSlash(resource: string): string {
  return HOST_WITH_SLASH.test(resource) ? resource.slice(0, -1) : resource;
}
