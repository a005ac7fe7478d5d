import { createCheckAuthorization } from '@clerk/shared/authorization';
import { reverificationError } from '@clerk/shared/authorization-errors';
import { Problem } from '../http/index.ts';
import type { MachinePrincipal, Principal, SessionPrincipal } from './principal.ts';

type Has = ReturnType<typeof createCheckAuthorization>;

/** How fresh the proof must be of who the user is: a preset of Clerk's, or a level and minutes. */
export type Reverification = NonNullable<Parameters<typeof reverificationError>[0]>;

/** What a route asks of its caller, with the code of the refusal when it is not met. */
export type Rule =
  | { readonly refusal: 'tenant_required' }
  | { readonly refusal: 'role_required'; readonly role: string }
  | { readonly refusal: 'permission_required'; readonly permission: string }
  | { readonly refusal: 'feature_required'; readonly feature: string }
  | { readonly refusal: 'plan_required'; readonly plan: string }
  | { readonly refusal: 'reverification_required'; readonly reverification: Reverification }
  | { readonly refusal: 'impersonation_forbidden' }
  | { readonly refusal: 'scope_required'; readonly scope: string };

/** The refusal of the first rule that the caller does not meet; undefined: all are met. */
export function refusalOfRules(rules: readonly Rule[], principal: Principal): Problem | undefined {
  if (rules.length === 0) return undefined;
  return principal.tokenType === 'session_token'
    ? refusalOfSession(rules, principal)
    : refusalOfMachine(rules, principal);
}

function refusalOfSession(rules: readonly Rule[], principal: SessionPrincipal): Problem | undefined {
  const has = hasOf(principal);
  const unmet = rules.find((rule) => !isMetBySession(rule, principal, has));
  if (!unmet) return undefined;
  const isOfTenant = unmet.refusal === 'role_required' || unmet.refusal === 'permission_required';
  if (isOfTenant && !principal.organization) return new Problem('tenant_required');
  const members = 'reverification' in unmet ? { ...reverificationError(unmet.reverification) } : undefined;
  return new Problem(unmet.refusal, { detail: detailOf(unmet), members });
}

/** Clerk's own check, over the claims that its auth object gives it (@clerk/backend, tokens/authObjects). */
function hasOf({ clerkUserId, organization, claims }: SessionPrincipal): Has {
  return createCheckAuthorization({
    userId: clerkUserId,
    orgId: organization?.clerkId,
    orgRole: organization?.role,
    orgPermissions: organization?.permissions as string[] | undefined,
    factorVerificationAge: (claims.fva as [number, number] | undefined) ?? null,
    features: (claims.fea as string | undefined) ?? '',
    plans: (claims.pla as string | undefined) ?? '',
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

/** A machine has no role, no second factor, and no plan in its token: a route that asks for such takes it only by a scope. */
function refusalOfMachine(rules: readonly Rule[], principal: MachinePrincipal): Problem | undefined {
  const isScoped = rules.some(({ refusal }) => refusal === 'scope_required');
  const unmet = rules.find((rule) => !(isOfSessions(rule) ? isScoped : isMetByMachine(rule, principal)));
  return unmet && new Problem(unmet.refusal, { detail: detailForMachine(unmet), headers: challengeOf(unmet) });
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

/** What the route asks for, by name, where it has one; else the sentence of the code says all. */
function detailOf(unmet: Rule): string | undefined {
  const { refusal, ...asked } = unmet;
  const [[kind, name] = []] = Object.entries(asked);
  return typeof name === 'string' && kind !== 'reverification' ? `The route needs the ${kind} ${name}.` : undefined;
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
