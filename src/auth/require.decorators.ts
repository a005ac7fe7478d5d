import { validateReverificationConfig } from '@clerk/shared/authorization';
import { complain, declare, declaredOn } from './declared.ts';
import type { Reverification, Rule } from './rule.ts';

const RULES = 'gatehouse:rules';
const ROLE = /^org:[\w-]+$/;
const PERMISSION = /^org:[\w-]+:[\w-]+$/;
/** Of a feature or plan, in a scope or in either. */
const SLUG = /^((u|user|o|org|organization):)?[\w-]+$/;
/** One word of RFC 6749, section 3.3. */
const SCOPE = /^[\x21\x23-\x5b\x5d-\x7e]+$/;

/** Closes a route, or all of a controller, to callers without an active organization: 403 `tenant_required`. */
export function RequireTenant() {
  return addRule({ refusal: 'tenant_required' });
}

/** Asks for this role in the active organization, in Clerk's full form (`org:admin`): else 403 `role_required`. */
export function RequireRole(role: string) {
  if (!ROLE.test(role)) return complain(`${role} is no role key of Clerk's: write it in full, as org:admin`);
  return addRule({ refusal: 'role_required', role });
}

/** Asks for this permission in the active organization (`org:projects:write`): else 403 `permission_required`. */
export function RequirePermission(permission: string) {
  if (permission.startsWith('org:sys_'))
    return complain(`${permission} is never in a token of Clerk's: ask for a role, as @RequireRole('org:admin')`);
  if (!PERMISSION.test(permission))
    return complain(`${permission} is no permission key of Clerk's: write it in full, as org:projects:write`);
  return addRule({ refusal: 'permission_required', permission });
}

/**
 * Asks for a feature by its slug: of the user's plan (`user:export`), of the active organization's (`org:export`), or of
 * either (`export`): else 403 `feature_required`.
 */
export function RequireFeature(feature: string) {
  if (!SLUG.test(feature)) return complain(`${feature} is no feature: write its slug, as export or org:export`);
  return addRule({ refusal: 'feature_required', feature });
}

/** Asks for a plan by its slug, with a scope or without, as RequireFeature: else 403 `plan_required`. */
export function RequirePlan(plan: string) {
  if (!SLUG.test(plan)) return complain(`${plan} is no plan: write its slug, as pro or org:pro`);
  return addRule({ refusal: 'plan_required', plan });
}

/**
 * Asks that the user has shown who they are within some minutes, in one of Clerk's presets or `{ level, afterMinutes }`: else
 * 403 `reverification_required`, which Clerk's `useReverification()` understands
 * (https://clerk.com/docs/guides/secure/reverification).
 */
export function RequireReverification(reverification: Reverification) {
  const configOf = validateReverificationConfig(reverification);
  if (!configOf || !Number.isFinite(configOf().afterMinutes))
    return complain("a reverification is 'strict_mfa', 'strict', 'moderate', 'lax', or { level, afterMinutes }");
  return addRule({ refusal: 'reverification_required', reverification });
}

/** Refuses who acts as somebody else: 403 `impersonation_forbidden`. */
export function ForbidImpersonation() {
  return addRule({ refusal: 'impersonation_forbidden' });
}

/**
 * Asks for this scope of a machine's token: else 403 `scope_required`. It judges no session, as the rules of sessions judge no
 * machine: a route that takes both has both.
 */
export function RequireScope(scope: string) {
  if (!SCOPE.test(scope)) return complain(`${scope} is no scope: one word, as projects:read`);
  return addRule({ refusal: 'scope_required', scope });
}

/** All that is declared on the controller and on these methods of it. */
export function rulesDeclaredOn(controller: { prototype: object }, methods: string[]): readonly Rule[] {
  const declared = declaredOn<readonly Rule[]>(RULES, controller, methods);
  return [declared.controller, ...declared.methods].flatMap((rules) => rules ?? []);
}

/** Adds to what is there, inherited or of another decorator: all rules hold. */
function addRule(rule: Rule): ClassDecorator & MethodDecorator {
  return declare(RULES, (before) => [rule, ...((before as readonly Rule[] | undefined) ?? [])]);
}
