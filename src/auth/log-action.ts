import type { Logger } from '@nestjs/common';
import type { Request, Response } from 'express';
import type { Principal } from './principal.ts';
import type { Rule } from './rule.ts';

/** Whether the route is closed to whoever acts as somebody else: it cannot be undone, or it gives or takes rights. */
export function isSensitive(rules: readonly Rule[]): boolean {
  return rules.some(({ refusal }) => refusal === 'impersonation_forbidden');
}

/** Writes one line with the ids of who called, once the answer is known. */
export function logAction(logger: Logger, request: Request, response: Response, principal: Principal): void {
  if (principal.tokenType !== 'session_token') return;
  const { clerkUserId: user, impersonatedBy, organization, sessionId: session } = principal;
  const ids = {
    requestId: request.id,
    actor: impersonatedBy ?? user,
    user,
    tenant: organization?.clerkId ?? null,
    session,
  };
  const { method, path } = request;
  response.once('finish', () => logger.log({ ...ids, status: response.statusCode }, `Action ${method} ${path}`));
}
