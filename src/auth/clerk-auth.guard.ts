import { type CanActivate, type ExecutionContext, Inject, Injectable } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import type { Request } from 'express';
import { SETTINGS, type Settings } from '../config/index.ts';
import { Problem, Public } from '../http/index.ts';
import { cookieNames, cookieToken, headerToken, type PresentedToken } from './presented-token.ts';
import { principalOf } from './principal.ts';
import { UserStates } from './user-states.ts';
import { VerifiedTokens } from './verified-tokens.service.ts';

/** Closes every route that is not `@Public()` to callers without a valid session token of a user who may call. */
@Injectable()
export class ClerkAuthGuard implements CanActivate {
  readonly #cookieNames: string[];
  readonly #open = new Map<unknown, Map<unknown, boolean>>();
  readonly #settings: Settings['clerk'];

  constructor(
    private readonly reflector: Reflector,
    private readonly tokens: VerifiedTokens,
    private readonly users: UserStates,
    @Inject(SETTINGS) { clerk }: Settings,
  ) {
    this.#settings = clerk;
    this.#cookieNames = clerk.cookieAuth ? cookieNames(clerk.publishableKey) : [];
  }

  async canActivate(context: ExecutionContext): Promise<boolean> {
    if (this.#isOpen(context)) return true;
    const request = context.switchToHttp().getRequest<Request>();
    const { token, from } = this.#presented(request);
    const claims = await this.tokens.claimsOf(token);
    if (from === 'cookie' && claims.azp === undefined) throw new Problem('token_invalid');
    const refused = this.users.isRefused(claims);
    if (typeof refused === 'boolean' ? refused : await refused) throw new Problem('token_revoked');
    request.principal = principalOf(claims);
    return true;
  }

  /** Asked of the reflector once for each route: its walk over the metadata costs as much as all the rest of a known token. */
  #isOpen(context: ExecutionContext): boolean {
    const [handler, controller] = [context.getHandler(), context.getClass()];
    const routes = this.#open.get(controller) ?? new Map<unknown, boolean>();
    const known = routes.get(handler);
    if (known !== undefined) return known;
    const open = this.reflector.getAllAndOverride(Public, [handler, controller]) ?? false;
    this.#open.set(controller, routes.set(handler, open));
    return open;
  }

  #presented(request: Request): PresentedToken {
    const { authorization } = request.headers;
    if (authorization !== undefined) return headerToken(authorization);
    const presented = cookieToken(request, this.#cookieNames, this.#settings.authorizedParties ?? []);
    if (!presented) throw new Problem('token_missing');
    return presented;
  }
}
