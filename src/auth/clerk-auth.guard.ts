import { type CanActivate, type ExecutionContext, Inject, Injectable } from '@nestjs/common';
import type { Request } from 'express';
import { SETTINGS, type Settings } from '../config/index.ts';
import { Problem } from '../http/index.ts';
import { Access } from './access.service.ts';
import { cookieNames, cookieToken, headerToken, type PresentedToken } from './presented-token.ts';
import { principalOf } from './principal.ts';
import { Routes } from './routes.service.ts';
import { refusalOfRules } from './rules.ts';
import { VerifiedTokens } from './verified-tokens.service.ts';

/**
 * Closes every route that is not `@Public()` to callers without a valid session token of a user who may call, and who
 * meets all that its decorators ask.
 */
@Injectable()
export class ClerkAuthGuard implements CanActivate {
  readonly #cookieNames: string[];
  readonly #settings: Settings['clerk'];

  constructor(
    private readonly routes: Routes,
    private readonly tokens: VerifiedTokens,
    private readonly access: Access,
    @Inject(SETTINGS) { clerk }: Settings,
  ) {
    this.#settings = clerk;
    this.#cookieNames = clerk.cookieAuth ? cookieNames(clerk.publishableKey) : [];
  }

  async canActivate(context: ExecutionContext): Promise<boolean> {
    const { isOpen, rules } = this.routes.of(context.getClass(), context.getHandler());
    if (isOpen) return true;
    const request = context.switchToHttp().getRequest<Request>();
    const { token, from } = this.#presented(request);
    const claims = await this.tokens.claimsOf(token);
    if (from === 'cookie' && claims.azp === undefined) throw new Problem('token_invalid');
    const refused = this.access.isRefused(claims);
    if (typeof refused === 'boolean' ? refused : await refused) throw new Problem('token_revoked');
    request.principal = principalOf(claims);
    const refusal = refusalOfRules(rules, request.principal);
    if (refusal) throw new Problem(refusal);
    return true;
  }

  #presented(request: Request): PresentedToken {
    const { authorization } = request.headers;
    if (authorization !== undefined) return headerToken(authorization);
    const presented = cookieToken(request, this.#cookieNames, this.#settings.authorizedParties ?? []);
    if (!presented) throw new Problem('token_missing');
    return presented;
  }
}
