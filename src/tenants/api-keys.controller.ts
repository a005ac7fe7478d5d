import { Controller, Delete, Get, HttpCode, Param, Query, SerializeOptions } from '@nestjs/common';
import { ApiNoContentResponse, ApiOkResponse, ApiTags } from '@nestjs/swagger';
import { z } from 'zod';
import { ForbidImpersonation, RequireRole } from '../auth/index.ts';
import { type ClerkApiKey, dateOf } from '../clerk/index.ts';
import { ListQuery, pageOf } from '../http/index.ts';
import { CurrentUser, User } from '../users/index.ts';
import { ADMIN } from './admins.ts';
import { ApiKeysService } from './api-keys.service.ts';
import { CurrentTenant } from './current-tenant.decorator.ts';
import { Tenant } from './tenant.entity.ts';
import { ApiKeyView } from './tenants.schemas.ts';

const ApiKeys = pageOf(ApiKeyView);

@ApiTags('tenant')
@RequireRole(ADMIN)
@Controller('v1/tenant/api-keys')
export class ApiKeysController {
  constructor(private readonly keys: ApiKeysService) {}

  /** Those that are good, the latest first. They are made in Clerk, which shows the secret once. */
  @Get()
  @ApiOkResponse({ standardSchema: ApiKeys })
  @SerializeOptions({ schema: ApiKeys })
  async list(@CurrentTenant() tenant: Tenant, @Query({ schema: ListQuery }) query: ListQuery) {
    const { data, nextCursor } = await this.keys.list(tenant, query);
    return { data: data.map(toView), nextCursor };
  }

  /** Revokes the key: it is refused at once, at Clerk and here. */
  @Delete(':id')
  @ForbidImpersonation()
  @HttpCode(204)
  @ApiNoContentResponse()
  @SerializeOptions({ schema: z.void() })
  async revoke(@CurrentTenant() tenant: Tenant, @CurrentUser() user: User, @Param('id') id: string): Promise<void> {
    await this.keys.revoke(tenant, user, id);
  }
}

function toView({ id, name, description = null, scopes, ...key }: ClerkApiKey): ApiKeyView {
  const { created_by: createdBy = null, created_at: createdAt } = key;
  const times = {
    lastUsedAt: dateOf(key.last_used_at),
    expiresAt: dateOf(key.expiration),
    createdAt: new Date(createdAt),
  };
  return { id, name, description, scopes, createdBy, ...times };
}
