import { createCheckAuthorization } from '@clerk/shared/authorization';
import { Problem } from '../http/index.ts';
import type { EntitlementsOfCaller } from './caller-entitlements.service.ts';
import type { MachinePrincipal } from './principal.ts';
import { detailOf, isOfPlans, type Rule } from './rule.ts';

/**
 * A machine has no role, no second factor, and no plan in its token: a route that asks for such takes it only by a scope. What
 * the plan gives is asked of it all the same where we know that ourselves.
 */
export function refusalOfMachine(
  rules: readonly Rule[],
  principal: MachinePrincipal,
  entitled?: EntitlementsOfCaller,
): Problem | undefined {
  const isScoped = rules.some(({ refusal }) => refusal === 'scope_required');
  const isMet = (rule: Rule) => {
    if (isOfPlans(rule) && entitled?.isMirrored) return isEntitled(rule, principal, entitled.claims);
    if (rule.refusal === 'feature_required' && entitled?.denied)
      return isScoped && !isEntitled(rule, principal, { fea: entitled.denied, pla: '' });
    return isOfSessions(rule) ? isScoped : isMetByMachine(rule, principal);
  };
  const unmet = rules.find((rule) => !isMet(rule));
  if (!unmet) return undefined;
  const isOurs = isOfPlans(unmet) && entitled?.isMirrored;
  return new Problem(unmet.refusal, {
    detail: isOurs ? detailOf(unmet) : detailForMachine(unmet),
    headers: challengeOf(unmet),
  });
}

function isEntitled(rule: Rule, { subject }: MachinePrincipal, claims: EntitlementsOfCaller['claims']): boolean {
  const nobody = { orgId: undefined, orgRole: undefined, orgPermissions: undefined, factorVerificationAge: null };
  const has = createCheckAuthorization({ ...nobody, userId: subject, features: claims.fea, plans: claims.pla });
  if (rule.refusal === 'feature_required') return has({ feature: rule.feature as `org:${string}` });
  return rule.refusal === 'plan_required' && has({ plan: rule.plan as `org:${string}` });
}

function detailForMachine(unmet: Rule): string | undefined {
  if (isOfSessions(unmet)) return [detailOf(unmet), OF_SESSIONS_ALONE].filter(Boolean).join(' ');
  return unmet.refusal === 'tenant_required'
    ? 'The route works in a tenant: use an API key of an organization.'
    : detailOf(unmet);
}

/** RFC 6750, section 3.1; of a scope there is neither quote nor backslash. */
function challengeOf(unmet: Rule): Record<string, string> {
  if (unmet.refusal !== 'scope_required') return {};
  return { 'www-authenticate': `Bearer error="insufficient_scope", scope="${unmet.scope}"` };
}

const OF_SESSIONS_ALONE = 'The route asks this of sessions alone, and no scope of machines.';

const OF_ANYBODY = ['tenant_required', 'impersonation_forbidden', 'scope_required'] as const;
type RuleOfAnybody = Extract<Rule, { refusal: (typeof OF_ANYBODY)[number] }>;

/** Whether it asks for what a machine cannot have. */
export function isOfSessions(rule: Rule): rule is Exclude<Rule, RuleOfAnybody> {
  return !OF_ANYBODY.some((refusal) => refusal === rule.refusal);
}

function isMetByMachine(rule: RuleOfAnybody, { organization, impersonatedBy, scopes }: MachinePrincipal): boolean {
  switch (rule.refusal) {
    case 'tenant_required':
      return organization !== null;
    case 'impersonation_forbidden':
      return impersonatedBy === null;
    case 'scope_required':
      return scopes.includes(rule.scope);
    default:
      rule satisfies never;
      return false;
  }
}
