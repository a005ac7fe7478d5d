import { splitByScope } from '@clerk/shared/authorization';
import { Injectable, Optional } from '@nestjs/common';
import { type Claimed, type Counted, LocalEntitlements } from './local-entitlements.ts';
import type { Principal } from './principal.ts';

/** What the plans of a caller give: of the active organization, and of the user. */
export interface EntitlementsOfCaller {
  /** The slug of the organization's plan where one is active, else of the user's; null: none is named. */
  readonly plan: string | null;
  /** The slugs that `@RequireFeature` without a scope grants. */
  readonly features: readonly string[];
  /** In the form of Clerk's claims `pla` and `fea`, for Clerk's own check. */
  readonly claims: { readonly pla: string; readonly fea: string };
  /** Features that an operator has taken, in the form of `fea`. */
  readonly denied: string;
  /** Whether we know of the payer ourselves: a machine's token claims nothing. */
  readonly isMirrored: boolean;
}

const NOTHING: Claimed = { plans: [], features: [] };

/** What callers are entitled to: by our own copy where their subscription is in it, else by the claims of the token. */
@Injectable()
export class CallerEntitlements {
  constructor(@Optional() private readonly local?: LocalEntitlements) {}

  /** Without I/O when the payers are remembered. */
  of(principal: Principal): EntitlementsOfCaller | Promise<EntitlementsOfCaller> {
    const claimed = claimedBy(principal);
    const org = this.#count(principal.organization?.clerkId ?? null, claimed.org);
    // one after the other: many who are new at once take the connections of half as many
    const withUser = (ofOrg: Counted) => {
      const user = this.#count(principal.clerkUserId, claimed.user);
      return isPromise(user)
        ? user.then((ofUser) => together(principal, ofOrg, ofUser))
        : together(principal, ofOrg, user);
    };
    return isPromise(org) ? org.then(withUser) : withUser(org);
  }

  #count(clerkId: string | null, claimed: Claimed): Counted | Promise<Counted> {
    if (clerkId === null || !this.local) return { ...claimed, isMirrored: false, denied: [] };
    return this.local.entitle(clerkId, claimed);
  }
}

/** Of verified claims, whose form is known to be good. */
function claimedBy(principal: Principal): { org: Claimed; user: Claimed } {
  if (principal.tokenType !== 'session_token') return { org: NOTHING, user: NOTHING };
  const { pla, fea } = principal.claims as { pla?: string; fea?: string };
  const [plans, features] = [splitByScope(pla), splitByScope(fea)];
  return {
    org: { plans: plans.org, features: features.org },
    user: { plans: plans.user, features: features.user },
  };
}

function together({ organization }: Principal, org: Counted, user: Counted): EntitlementsOfCaller {
  const payer = organization ? org : user;
  const scoped = (name: 'plans' | 'features' | 'denied') =>
    [...org[name].map((slug) => `o:${slug}`), ...user[name].map((slug) => `u:${slug}`)].join(',');
  return {
    plan: payer.plans[0] ?? null,
    features: [...new Set([...org.features, ...user.features])].filter(Boolean).toSorted(),
    claims: { pla: scoped('plans'), fea: scoped('features') },
    denied: scoped('denied'),
    isMirrored: payer.isMirrored,
  };
}

function isPromise<T>(value: T | Promise<T>): value is Promise<T> {
  return value instanceof Promise;
}
