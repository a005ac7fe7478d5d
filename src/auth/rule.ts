import type { reverificationError } from '@clerk/shared/authorization-errors';

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

/** Whether any of them is about what a plan gives. */
export function asksEntitlements(rules: readonly Rule[]): boolean {
  return rules.some(isOfPlans);
}

export function isOfPlans({ refusal }: Rule): boolean {
  return refusal === 'feature_required' || refusal === 'plan_required';
}

/** What the route asks for, by name, where it has one; else the sentence of the code says all. */
export function detailOf(unmet: Rule): string | undefined {
  const { refusal, ...asked } = unmet;
  const [[kind, name] = []] = Object.entries(asked);
  return typeof name === 'string' && kind !== 'reverification' ? `The route needs the ${kind} ${name}.` : undefined;
}
