import { createParamDecorator, type ExecutionContext } from '@nestjs/common';
import type { Request } from 'express';
import { Problem } from '../http/index.ts';
import type { Principal, SessionPrincipal } from './principal.ts';

/** The caller of the request. Throws on a route that ClerkAuthGuard let through unasked. */
export const CurrentPrincipal = createParamDecorator(
  (_: unknown, context: ExecutionContext): Principal => principalIn(context),
);

/** The caller, signed in; a machine that the route takes is refused with `token_type_not_accepted`. */
export const CurrentSession = createParamDecorator((_: unknown, context: ExecutionContext): SessionPrincipal => {
  const principal = principalIn(context);
  if (principal.tokenType !== 'session_token') throw new Problem('token_type_not_accepted');
  return principal;
});

export function principalIn(context: ExecutionContext): Principal {
  const { principal } = context.switchToHttp().getRequest<Request>();
  if (!principal) throw new Error('There is no principal: the route is public, or ClerkAuthGuard did not run');
  return principal;
}
