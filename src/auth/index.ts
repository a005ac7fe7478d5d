export { Accepts } from './accepts.decorator.ts';
export type { ActiveOrganization } from './active-organization.ts';
export { AuthModule } from './auth.module.ts';
export { CallerEntitlements } from './caller-entitlements.service.ts';
export { ClerkAuthGuard } from './clerk-auth.guard.ts';
export { CurrentPrincipal, CurrentSession, principalIn } from './current-principal.decorator.ts';
export { LastCheckInterceptor } from './last-check.interceptor.ts';
export { type Claimed, type Counted, type HeldSeat, LocalEntitlements } from './local-entitlements.ts';
export {
  type ClaimedUser,
  claimedUserOf,
  type MachinePrincipal,
  type Principal,
  type SessionPrincipal,
} from './principal.ts';
export {
  ForbidImpersonation,
  RequireFeature,
  RequirePermission,
  RequirePlan,
  RequireReverification,
  RequireRole,
  RequireScope,
  RequireTenant,
} from './require.decorators.ts';
export { Revocations } from './revocations.service.ts';
export { RouteDocs } from './route-docs.service.ts';
export { UserStates } from './user-states.ts';
export { VerificationKeys } from './verification-keys.service.ts';
