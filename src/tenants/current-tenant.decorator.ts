import { EntityManager } from '@mikro-orm/postgresql';
import { createParamDecorator, type ExecutionContext, Injectable, type PipeTransform } from '@nestjs/common';
import type { Request } from 'express';
import { mergeRow } from '../database/index.ts';
import { Problem } from '../http/index.ts';
import { Tenant } from './tenant.entity.ts';
import type { TenantSnapshot } from './tenant-snapshot.ts';

@Injectable()
class CurrentTenantPipe implements PipeTransform<TenantSnapshot | null, Tenant> {
  constructor(private readonly em: EntityManager) {}

  transform(tenant: TenantSnapshot | null): Tenant {
    if (!tenant) throw new Problem('tenant_required');
    return mergeRow(this.em, Tenant, tenant.row);
  }
}

/** The tenant of the caller's token as it is remembered; null: no organization is active. */
export const ActiveTenant = createParamDecorator((_: unknown, context: ExecutionContext): TenantSnapshot | null => {
  const { tenant } = context.switchToHttp().getRequest<Request>();
  if (tenant === undefined) throw new Error('There is no tenant: the route is public, or TenantGuard did not run');
  return tenant;
});

/**
 * The tenant of the caller's token as a `Tenant`, found or created; managed by the request's EntityManager, so that changes
 * to it are saved.
 */
export const CurrentTenant = () => ActiveTenant(CurrentTenantPipe);
