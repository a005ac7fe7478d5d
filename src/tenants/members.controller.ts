import { Body, Controller, Delete, Get, HttpCode, Param, Patch, Query, SerializeOptions } from '@nestjs/common';
import { ApiNoContentResponse, ApiOkResponse, ApiTags } from '@nestjs/swagger';
import { z } from 'zod';
import {
  CurrentSession,
  ForbidImpersonation,
  RequireReverification,
  RequireRole,
  RequireTenant,
  type SessionPrincipal,
} from '../auth/index.ts';
import { IdPipe, ListQuery, pageOf } from '../http/index.ts';
import { CurrentUser, User } from '../users/index.ts';
import { ADMIN } from './admins.ts';
import { CurrentTenant } from './current-tenant.decorator.ts';
import { MembersService } from './members.service.ts';
import { toMembershipView } from './membership-view.ts';
import { Tenant } from './tenant.entity.ts';
import { MembershipView, RoleChange } from './tenants.schemas.ts';

const Members = pageOf(MembershipView);

@ApiTags('tenant')
@Controller('v1/tenant/members')
export class MembersController {
  constructor(private readonly members: MembersService) {}

  /** The latest first. Addresses are shown to `org:admin`, and to each member their own. */
  @Get()
  @RequireTenant()
  @ApiOkResponse({ standardSchema: Members })
  @SerializeOptions({ schema: Members })
  async list(
    @CurrentTenant() tenant: Tenant,
    @CurrentSession() { clerkUserId, organization }: SessionPrincipal,
    @Query({ schema: ListQuery }) query: ListQuery,
  ) {
    const { data, nextCursor } = await this.members.listOf(tenant, query);
    const isAdmin = organization?.role === ADMIN;
    const toView = (member: (typeof data)[number]) =>
      toMembershipView(member, { showsContact: isAdmin || member.user.clerkId === clerkUserId });
    return { data: data.map(toView), nextCursor };
  }

  @Patch(':userId')
  @RequireRole(ADMIN)
  @RequireReverification('strict')
  @ForbidImpersonation()
  @ApiOkResponse({ standardSchema: MembershipView })
  @SerializeOptions({ schema: MembershipView })
  async changeRole(
    @CurrentTenant() tenant: Tenant,
    @CurrentUser() user: User,
    @Param('userId', IdPipe) userId: string,
    @Body({ schema: RoleChange }) { role }: RoleChange,
  ): Promise<MembershipView> {
    return toMembershipView(await this.members.changeRole(tenant, user, userId, role), { showsContact: true });
  }

  @Delete(':userId')
  @RequireRole(ADMIN)
  @RequireReverification('strict')
  @ForbidImpersonation()
  @HttpCode(204)
  @ApiNoContentResponse()
  @SerializeOptions({ schema: z.void() })
  async remove(
    @CurrentTenant() tenant: Tenant,
    @CurrentUser() user: User,
    @Param('userId', IdPipe) userId: string,
  ): Promise<void> {
    await this.members.remove(tenant, user, userId);
  }
}
