import { splitByScope } from '@clerk/shared/authorization';
import type { SessionPrincipal } from './principal.ts';

/** What a session's token says that its plan gives. */
export interface ClaimedEntitlements {
  /** The slug of the organization's plan where one is active, else of the user's; null: none is named. */
  readonly plan: string | null;
  /** The slugs that `@RequireFeature` without a scope grants. */
  readonly features: readonly string[];
}

/** Of verified claims, whose form is known to be good. */
export function claimedEntitlementsOf({ organization, claims }: SessionPrincipal): ClaimedEntitlements {
  const plans = splitByScope(claims.pla as string | undefined);
  const features = splitByScope(claims.fea as string | undefined);
  const [plan = null] = organization ? plans.org : plans.user;
  return { plan, features: [...new Set([...features.org, ...features.user])].filter(Boolean).toSorted() };
}
