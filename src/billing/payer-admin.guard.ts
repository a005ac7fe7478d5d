import { type CanActivate, type ExecutionContext, Injectable } from '@nestjs/common';
import type { Request } from 'express';
import { Problem } from '../http/index.ts';
import { ADMIN } from '../tenants/index.ts';

/** Lets in who may decide for who pays: an admin of the tenant that is active, else anybody for oneself. */
@Injectable()
export class PayerAdminGuard implements CanActivate {
  canActivate(context: ExecutionContext): boolean {
    const { principal } = context.switchToHttp().getRequest<Request>();
    if (principal?.tokenType !== 'session_token') throw new Problem('token_type_not_accepted');
    if (principal.organization && principal.organization.role !== ADMIN) throw new Problem('role_required');
    return true;
  }
}
