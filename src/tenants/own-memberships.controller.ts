import { Controller, Delete, Get, HttpCode, Param, Query, SerializeOptions } from '@nestjs/common';
import { ApiNoContentResponse, ApiOkResponse, ApiTags } from '@nestjs/swagger';
import { z } from 'zod';
import { ForbidImpersonation } from '../auth/index.ts';
import { IdPipe, ListQuery, pageOf } from '../http/index.ts';
import { CurrentUser, User } from '../users/index.ts';
import { MembersService } from './members.service.ts';
import { toMembershipView } from './membership-view.ts';
import { MembershipView } from './tenants.schemas.ts';

const Memberships = pageOf(MembershipView);

@ApiTags('me')
@Controller('v1/me/memberships')
export class OwnMembershipsController {
  constructor(private readonly members: MembersService) {}

  @Get()
  @ApiOkResponse({ standardSchema: Memberships })
  @SerializeOptions({ schema: Memberships })
  async list(@CurrentUser() user: User, @Query({ schema: ListQuery }) query: ListQuery) {
    const { data, nextCursor } = await this.members.ownOf(user, query);
    return { data: data.map((own) => toMembershipView(own, { showsContact: true })), nextCursor };
  }

  /** The caller leaves the tenant, whichever is active. */
  @Delete(':tenantId')
  @ForbidImpersonation()
  @HttpCode(204)
  @ApiNoContentResponse()
  @SerializeOptions({ schema: z.void() })
  async leave(@CurrentUser() user: User, @Param('tenantId', IdPipe) tenantId: string): Promise<void> {
    await this.members.leave(user, tenantId);
  }
}
