import { Body, Controller, Delete, Get, Header, HttpCode, Patch, Post, SerializeOptions } from '@nestjs/common';
import { ApiCreatedResponse, ApiNoContentResponse, ApiOkResponse, ApiTags } from '@nestjs/swagger';
import { z } from 'zod';
import { ForbidImpersonation, RequireReverification, RequireRole, RequireTenant } from '../auth/index.ts';
import { CurrentUser, User } from '../users/index.ts';
import { ADMIN } from './admins.ts';
import { CurrentTenant } from './current-tenant.decorator.ts';
import { nameOfTenant, Tenant } from './tenant.entity.ts';
import { TenantChangesService } from './tenant-changes.service.ts';
import { NewTenant, TenantChanges, TenantView } from './tenants.schemas.ts';

@ApiTags('tenant')
@Controller('v1')
@SerializeOptions({ schema: TenantView })
export class TenantsController {
  constructor(private readonly changes: TenantChangesService) {}

  /** Creates an organization in Clerk and here, where Clerk lets this user; it is active with the next token for it. */
  @Post('tenants')
  @Header('location', '/v1/tenant')
  @ApiCreatedResponse({ standardSchema: TenantView })
  async create(@CurrentUser() user: User, @Body({ schema: NewTenant }) tenant: NewTenant): Promise<TenantView> {
    return toView((await this.changes.create(user, tenant)).row);
  }

  @Get('tenant')
  @RequireTenant()
  @ApiOkResponse({ standardSchema: TenantView })
  show(@CurrentTenant() tenant: Tenant): TenantView {
    return toView(tenant);
  }

  @Patch('tenant')
  @RequireRole(ADMIN)
  @ApiOkResponse({ standardSchema: TenantView })
  async change(
    @CurrentTenant() tenant: Tenant,
    @CurrentUser() user: User,
    @Body({ schema: TenantChanges }) changes: TenantChanges,
  ): Promise<TenantView> {
    return toView((await this.changes.change(tenant, user, changes)).row);
  }

  @Delete('tenant')
  @RequireRole(ADMIN)
  @RequireReverification('strict')
  @ForbidImpersonation()
  @HttpCode(204)
  @ApiNoContentResponse()
  @SerializeOptions({ schema: z.void() })
  async delete(@CurrentTenant() tenant: Tenant, @CurrentUser() user: User): Promise<void> {
    await this.changes.delete(tenant, user);
  }
}

/** Clerk writes no limit as 0. */
function toView(tenant: Omit<Tenant, symbol>): TenantView {
  const { slug = null, imageUrl = null, maxMembers } = tenant;
  return { ...tenant, name: nameOfTenant(tenant), slug, imageUrl, maxMembers: maxMembers || null };
}
