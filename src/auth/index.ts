export { AuthModule } from './auth.module.ts';
export type { Claims } from './claims.ts';
export { ClerkAuthGuard } from './clerk-auth.guard.ts';
export { CurrentPrincipal, principalIn } from './current-principal.decorator.ts';
export { LastCheckInterceptor } from './last-check.interceptor.ts';
export type { Principal } from './principal.ts';
export { UserStates } from './user-states.ts';
export { VerificationKeys } from './verification-keys.service.ts';
