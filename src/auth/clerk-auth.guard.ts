import { type CanActivate, type ExecutionContext, Inject, Injectable, Logger } from '@nestjs/common';
import type { Request, Response } from 'express';
import { SETTINGS, type Settings } from '../config/index.ts';
import { Problem } from '../http/index.ts';
import { Access } from './access.service.ts';
import { CallerEntitlements } from './caller-entitlements.service.ts';
import { isSensitive, logAction } from './log-action.ts';
import { MachineTokens } from './machine-tokens.service.ts';
import { cookieNames, cookieToken, headerToken, type PresentedToken } from './presented-token.ts';
import { type Principal, principalOf, type SessionPrincipal } from './principal.ts';
import { Routes } from './routes.service.ts';
import { asksEntitlements } from './rule.ts';
import { refusalOfRules } from './rules.ts';
import { type TokenType, tokenTypeOf } from './token-type.ts';
import { VerifiedTokens } from './verified-tokens.service.ts';

/**
 * Closes every route that is not `@Public()` to callers without a valid token, of a kind that the route takes, of somebody
 * who may call, and who meets all that its decorators ask.
 */
@Injectable()
export class ClerkAuthGuard implements CanActivate {
  readonly #logger = new Logger('Actions');
  readonly #cookieNames: string[];
  readonly #settings: Settings['clerk'];

  constructor(
    private readonly routes: Routes,
    private readonly sessions: VerifiedTokens,
    private readonly machines: MachineTokens,
    private readonly access: Access,
    private readonly entitlements: CallerEntitlements,
    @Inject(SETTINGS) { clerk }: Settings,
  ) {
    this.#settings = clerk;
    this.#cookieNames = clerk.cookieAuth ? cookieNames(clerk.publishableKey) : [];
  }

  async canActivate(context: ExecutionContext): Promise<boolean> {
    const { isOpen, rules, accepts } = this.routes.of(context.getClass(), context.getHandler());
    if (isOpen) return true;
    const request = context.switchToHttp().getRequest<Request>();
    const principal = await this.#callerOf(request, accepts);
    const refused = this.access.isRefused(principal);
    if (typeof refused === 'boolean' ? refused : await refused) throw new Problem('token_revoked');
    request.principal = principal;
    const entitled = asksEntitlements(rules) ? await this.entitlements.of(principal) : undefined;
    const refusal = refusalOfRules(rules, principal, entitled);
    if (refusal) throw refusal;
    if (isSensitive(rules)) logAction(this.#logger, request, context.switchToHttp().getResponse<Response>(), principal);
    return true;
  }

  /** A browser sends a cookie unasked, so a machine's token is none. */
  async #callerOf(request: Request, accepts: readonly TokenType[]): Promise<Principal> {
    const presented = this.#presented(request);
    const type = presented.from === 'cookie' ? 'session_token' : tokenTypeOf(presented.token, accepts);
    if (!accepts.includes(type))
      throw new Problem('token_type_not_accepted', { detail: `The route takes: ${accepts.join(', ')}.` });
    if (type === 'session_token') return this.#personOf(presented);
    return this.machines.principalOf(type, presented.token, request.ip ?? '');
  }

  async #personOf({ token, from }: PresentedToken): Promise<SessionPrincipal> {
    const claims = await this.sessions.claimsOf(token);
    if (from === 'cookie' && claims.azp === undefined) throw new Problem('token_invalid');
    return principalOf(claims);
  }

  #presented(request: Request): PresentedToken {
    const { authorization } = request.headers;
    if (authorization !== undefined) return headerToken(authorization);
    const presented = cookieToken(request, this.#cookieNames, this.#settings.authorizedParties ?? []);
    if (!presented) throw new Problem('token_missing');
    return presented;
  }
}
