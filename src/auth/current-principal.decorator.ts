import { createParamDecorator, type ExecutionContext } from '@nestjs/common';
import type { Request } from 'express';
import type { Principal } from './principal.ts';

/** The caller of the request. Throws on a route that ClerkAuthGuard let through unasked. */
export const CurrentPrincipal = createParamDecorator(
  (_: unknown, context: ExecutionContext): Principal => principalIn(context),
);

export function principalIn(context: ExecutionContext): Principal {
  const { principal } = context.switchToHttp().getRequest<Request>();
  if (!principal) throw new Error('There is no principal: the route is public, or ClerkAuthGuard did not run');
  return principal;
}
