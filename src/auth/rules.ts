import { createCheckAuthorization } from '@clerk/shared/authorization';
import { reverificationError } from '@clerk/shared/authorization-errors';
import { Problem } from '../http/index.ts';
import type { EntitlementsOfCaller } from './caller-entitlements.service.ts';
import { refusalOfMachine } from './machine-rules.ts';
import type { Principal, SessionPrincipal } from './principal.ts';
import { detailOf, type Rule } from './rule.ts';

type Has = ReturnType<typeof createCheckAuthorization>;

/**
 * The refusal of the first rule that the caller does not meet; undefined: all are met. What the caller is entitled to is given
 * where `asksEntitlements`.
 */
export function refusalOfRules(
  rules: readonly Rule[],
  principal: Principal,
  entitled?: EntitlementsOfCaller,
): Problem | undefined {
  if (rules.length === 0) return undefined;
  return principal.tokenType === 'session_token'
    ? refusalOfSession(rules, principal, entitled)
    : refusalOfMachine(rules, principal, entitled);
}

function refusalOfSession(
  rules: readonly Rule[],
  principal: SessionPrincipal,
  entitled?: EntitlementsOfCaller,
): Problem | undefined {
  const has = hasOf(principal, entitled);
  const unmet = rules.find((rule) => !isMetBySession(rule, principal, has));
  if (!unmet) return undefined;
  const isOfTenant = unmet.refusal === 'role_required' || unmet.refusal === 'permission_required';
  if (isOfTenant && !principal.organization) return new Problem('tenant_required');
  const members = 'reverification' in unmet ? { ...reverificationError(unmet.reverification) } : undefined;
  return new Problem(unmet.refusal, { detail: detailOf(unmet), members });
}

/** Clerk's own check, over the claims that its auth object gives it (@clerk/backend, tokens/authObjects). */
function hasOf({ clerkUserId, organization, claims }: SessionPrincipal, entitled?: EntitlementsOfCaller): Has {
  return createCheckAuthorization({
    userId: clerkUserId,
    orgId: organization?.clerkId,
    orgRole: organization?.role,
    orgPermissions: organization?.permissions as string[] | undefined,
    factorVerificationAge: (claims.fva as [number, number] | undefined) ?? null,
    features: entitled?.claims.fea ?? '',
    plans: entitled?.claims.pla ?? '',
  });
}

function isMetBySession(rule: Rule, principal: SessionPrincipal, has: Has): boolean {
  switch (rule.refusal) {
    case 'tenant_required':
      return principal.organization !== null;
    case 'role_required':
      return has({ role: rule.role });
    case 'permission_required':
      return has({ permission: rule.permission });
    case 'feature_required':
      return has({ feature: rule.feature as `org:${string}` });
    case 'plan_required':
      return has({ plan: rule.plan as `org:${string}` });
    case 'reverification_required':
      return has({ reverification: rule.reverification });
    case 'impersonation_forbidden':
      return principal.impersonatedBy === null;
    case 'scope_required':
      return true;
    default:
      rule satisfies never;
      return false;
  }
}
