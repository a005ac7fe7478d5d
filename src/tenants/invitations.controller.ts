import { Body, Controller, Delete, Get, HttpCode, Param, Post, Query, Res, SerializeOptions } from '@nestjs/common';
import { ApiCreatedResponse, ApiNoContentResponse, ApiOkResponse, ApiTags } from '@nestjs/swagger';
import type { Response } from 'express';
import { z } from 'zod';
import { ForbidImpersonation, RequireReverification, RequireRole } from '../auth/index.ts';
import { IdPipe, ListQuery, pageOf } from '../http/index.ts';
import { CurrentUser, User } from '../users/index.ts';
import { ADMIN } from './admins.ts';
import { CurrentTenant } from './current-tenant.decorator.ts';
import type { Invitation } from './invitation.entity.ts';
import { InvitationsService } from './invitations.service.ts';
import { Tenant } from './tenant.entity.ts';
import { InvitationView, NewInvitation } from './tenants.schemas.ts';

const Invitations = pageOf(InvitationView);

@ApiTags('tenant')
@RequireRole(ADMIN)
@Controller('v1/tenant/invitations')
export class InvitationsController {
  constructor(private readonly invitations: InvitationsService) {}

  @Get()
  @ApiOkResponse({ standardSchema: Invitations })
  @SerializeOptions({ schema: Invitations })
  async list(@Query({ schema: ListQuery }) query: ListQuery) {
    const { data, nextCursor } = await this.invitations.list(query);
    return { data: data.map(toView), nextCursor };
  }

  /** Clerk sends the mail. */
  @Post()
  @RequireReverification('strict')
  @ForbidImpersonation()
  @ApiCreatedResponse({ standardSchema: InvitationView })
  @SerializeOptions({ schema: InvitationView })
  async invite(
    @CurrentTenant() tenant: Tenant,
    @CurrentUser() user: User,
    @Body({ schema: NewInvitation }) invitation: NewInvitation,
    @Res({ passthrough: true }) response: Response,
  ): Promise<InvitationView> {
    const invited = await this.invitations.invite(tenant, user, invitation);
    response.location(`/v1/tenant/invitations/${invited.id}`);
    return toView(invited);
  }

  @Delete(':id')
  @ForbidImpersonation()
  @HttpCode(204)
  @ApiNoContentResponse()
  @SerializeOptions({ schema: z.void() })
  async revoke(
    @CurrentTenant() tenant: Tenant,
    @CurrentUser() user: User,
    @Param('id', IdPipe) id: string,
  ): Promise<void> {
    await this.invitations.revoke(tenant, user, id);
  }
}

/** Nobody tells that an invitation has expired. */
function toView({ status, expiresAt = null, ...invitation }: Invitation): InvitationView {
  const isOver = status === 'pending' && expiresAt !== null && expiresAt.getTime() <= Date.now();
  return { ...invitation, status: isOver ? 'expired' : status, expiresAt };
}
