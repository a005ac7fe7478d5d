import { createCheckAuthorization } from '@clerk/shared/authorization';
import type { Principal } from './principal.ts';

/** What a route asks of its caller, with the code of the refusal when it is not met. */
export type Rule =
  | { readonly refusal: 'tenant_required' }
  | { readonly refusal: 'role_required'; readonly role: string }
  | { readonly refusal: 'permission_required'; readonly permission: string };

type Has = ReturnType<typeof createCheckAuthorization>;

/** The refusal of the first rule that the caller does not meet; undefined: all are met. Clerk's own check decides. */
export function refusalOfRules(rules: readonly Rule[], principal: Principal): Rule['refusal'] | undefined {
  if (rules.length === 0) return undefined;
  if (!principal.organization) return 'tenant_required';
  const has = hasOf(principal);
  return rules.find((rule) => !isMet(rule, has))?.refusal;
}

function hasOf({ clerkUserId, organization }: Principal): Has {
  return createCheckAuthorization({
    userId: clerkUserId,
    orgId: organization?.clerkId,
    orgRole: organization?.role,
    orgPermissions: organization?.permissions as string[] | undefined,
    factorVerificationAge: null,
    features: null,
    plans: null,
  });
}

/** In an organization, which every rule needs. */
function isMet(rule: Rule, has: Has): boolean {
  switch (rule.refusal) {
    case 'tenant_required':
      return true;
    case 'role_required':
      return has({ role: rule.role });
    case 'permission_required':
      return has({ permission: rule.permission });
    default:
      rule satisfies never;
      return false;
  }
}
