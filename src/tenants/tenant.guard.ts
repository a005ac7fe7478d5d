import { EntityManager } from '@mikro-orm/postgresql';
import { type CanActivate, type ExecutionContext, Injectable } from '@nestjs/common';
import type { Request } from 'express';
import { enterScope } from '../database/index.ts';
import { UsersService } from '../users/index.ts';
import type { TenantSnapshot } from './tenant-snapshot.ts';
import { TenantsService } from './tenants.service.ts';

declare module 'express' {
  interface Request {
    /** Set by TenantGuard; null: no organization is active. Absent on public routes. */
    tenant?: TenantSnapshot | null;
  }
}

/** Binds the request's database work to its caller and the tenant of the token; after ClerkAuthGuard. */
@Injectable()
export class TenantGuard implements CanActivate {
  constructor(
    private readonly em: EntityManager,
    private readonly users: UsersService,
    private readonly tenants: TenantsService,
  ) {}

  async canActivate(context: ExecutionContext): Promise<boolean> {
    const request = context.switchToHttp().getRequest<Request>();
    const { principal } = request;
    if (!principal) return true;
    const userId = principal.clerkUserId === null ? null : (await this.users.findOrCreate(principal)).row.id;
    request.tenant = await this.tenants.activeOf(principal, userId);
    enterScope(this.em, { userId, tenantId: request.tenant?.row.id ?? null });
    return true;
  }
}
