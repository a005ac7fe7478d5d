import { type CanActivate, type ExecutionContext, Injectable, Logger } from '@nestjs/common';
import type { Request, Response } from 'express';
import { type Caller, Problem } from '../http/index.ts';
import { Access } from './access.service.ts';
import { CallerEntitlements } from './caller-entitlements.service.ts';
import { isSensitive, logAction } from './log-action.ts';
import { MachineTokens } from './machine-tokens.service.ts';
import { headerToken } from './presented-token.ts';
import { type Principal, principalOf, type SessionPrincipal } from './principal.ts';
import { Routes } from './routes.service.ts';
import { asksEntitlements, type Rule } from './rule.ts';
import { refusalOfRules } from './rules.ts';
import { SessionCookies } from './session-cookies.service.ts';
import { type TokenType, tokenTypeOf } from './token-type.ts';
import { VerifiedTokens } from './verified-tokens.service.ts';

/**
 * Closes every route that is not `@Public()` to callers without a valid token, of a kind that the route takes, of somebody
 * who may call, and who meets all that its decorators ask.
 */
@Injectable()
export class ClerkAuthGuard implements CanActivate {
  readonly #logger = new Logger('Actions');

  constructor(
    private readonly routes: Routes,
    private readonly sessions: VerifiedTokens,
    private readonly cookies: SessionCookies,
    private readonly machines: MachineTokens,
    private readonly access: Access,
    private readonly entitlements: CallerEntitlements,
  ) {}

  async canActivate(context: ExecutionContext): Promise<boolean> {
    const { isOpen, rules, accepts } = this.routes.of(context.getClass(), context.getHandler());
    if (isOpen) return true;
    const request = context.switchToHttp().getRequest<Request>();
    const principal = await this.#callerOf(request, accepts, rules);
    request.caller = callerOf(principal);
    const refused = this.access.isRefused(principal);
    if (typeof refused === 'boolean' ? refused : await refused) throw new Problem('token_revoked');
    request.principal = principal;
    const entitled = asksEntitlements(rules) ? await this.entitlements.of(principal) : undefined;
    const refusal = refusalOfRules(rules, principal, entitled);
    if (refusal) throw refusal;
    if (isSensitive(rules)) logAction(this.#logger, request, context.switchToHttp().getResponse<Response>(), principal);
    return true;
  }

  async #callerOf(request: Request, accepts: readonly TokenType[], rules: readonly Rule[]): Promise<Principal> {
    const token = headerToken(request);
    if (token === undefined) return this.#callerByCookie(request, accepts);
    const type = tokenTypeOf(token, accepts);
    expectAccepted(type, accepts);
    if (type === 'session_token') return principalOf(await this.sessions.claimsOf(token));
    return this.machines.principalOf(type, token, request.ip ?? '', rules);
  }

  /** A browser sends a cookie unasked, so a machine's token is none. */
  async #callerByCookie(request: Request, accepts: readonly TokenType[]): Promise<SessionPrincipal> {
    const cookies = this.cookies.in(request);
    if (cookies.length === 0) throw new Problem('token_missing');
    expectAccepted('session_token', accepts);
    return principalOf(await this.cookies.claimsOf(cookies));
  }
}

function callerOf({ clerkUserId, organization }: Principal): Caller {
  return { user: clerkUserId ?? undefined, tenant: organization?.clerkId };
}

function expectAccepted(type: TokenType, accepts: readonly TokenType[]): void {
  if (!accepts.includes(type))
    throw new Problem('token_type_not_accepted', { detail: `The route takes: ${accepts.join(', ')}.` });
}
