import type { Rule } from './rules.ts';

const RULES = 'gatehouse:rules';
const ROLE = /^org:[\w-]+$/;
const PERMISSION = /^org:[\w-]+:[\w-]+$/;

type Rules = readonly Rule[] | undefined;

/** Closes a route, or all of a controller, to callers without an active organization: 403 `tenant_required`. */
export function RequireTenant() {
  return declare({ refusal: 'tenant_required' });
}

/** Asks for this role in the active organization, in Clerk's full form (`org:admin`): else 403 `role_required`. */
export function RequireRole(role: string) {
  if (!ROLE.test(role)) throw new TypeError(`${role} is no role key of Clerk's: write it in full, as org:admin`);
  return declare({ refusal: 'role_required', role });
}

/** Asks for this permission in the active organization (`org:projects:write`): else 403 `permission_required`. */
export function RequirePermission(permission: string) {
  if (permission.startsWith('org:sys_'))
    throw new TypeError(`${permission} is never in a token of Clerk's: ask for a role, as @RequireRole('org:admin')`);
  if (!PERMISSION.test(permission))
    throw new TypeError(`${permission} is no permission key of Clerk's: write it in full, as org:projects:write`);
  return declare({ refusal: 'permission_required', permission });
}

/** All that is declared on the controller and on these methods of it. */
export function rulesDeclaredOn(controller: { prototype: object }, methods: string[]): readonly Rule[] {
  const onMethods = methods.map((name) => Reflect.getMetadata(RULES, controller.prototype, name) as Rules);
  return [Reflect.getMetadata(RULES, controller) as Rules, ...onMethods].flatMap((rules) => rules ?? []);
}

/**
 * Adds to what is there, inherited or of another decorator: all rules hold. Kept by the name of the method, since the
 * function may yet be wrapped by other decorators, and a rule must not be lost with it.
 */
function declare(rule: Rule): ClassDecorator & MethodDecorator {
  return (target: object, name?: string | symbol) => {
    if (name === undefined) Reflect.defineMetadata(RULES, [rule, ...rulesAt(target)], target);
    else Reflect.defineMetadata(RULES, [rule, ...rulesAt(target, name)], target, name);
  };
}

function rulesAt(target: object, name?: string | symbol): readonly Rule[] {
  const rules: unknown =
    name === undefined ? Reflect.getMetadata(RULES, target) : Reflect.getMetadata(RULES, target, name);
  return (rules as Rules) ?? [];
}
