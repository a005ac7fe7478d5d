import { Body, Controller, Get, Patch, SerializeOptions } from '@nestjs/common';
import { ApiOkResponse, ApiTags } from '@nestjs/swagger';
import { CallerEntitlements, CurrentSession, type SessionPrincipal } from '../auth/index.ts';
import { ActiveTenant, nameOfTenant, type TenantSnapshot } from '../tenants/index.ts';
import { CurrentUser, nameOfUser, User, type UserSnapshot, UsersService } from '../users/index.ts';
import { Me, MeChanges } from './me.schemas.ts';

@ApiTags('me')
@Controller('v1/me')
@SerializeOptions({ schema: Me })
export class MeController {
  constructor(
    private readonly users: UsersService,
    private readonly entitlements: CallerEntitlements,
  ) {}

  @Get()
  @ApiOkResponse({ standardSchema: Me })
  async show(
    @CurrentSession() principal: SessionPrincipal,
    @ActiveTenant() tenant: TenantSnapshot | null,
  ): Promise<Me> {
    return this.#show(await this.users.findOrCreate(principal), tenant, principal);
  }

  @Patch()
  @ApiOkResponse({ standardSchema: Me })
  async change(
    @CurrentUser() user: User,
    @CurrentSession() principal: SessionPrincipal,
    @ActiveTenant() tenant: TenantSnapshot | null,
    @Body({ schema: MeChanges }) changes: MeChanges,
  ): Promise<Me> {
    return this.#show(await this.users.changeProfile(user, changes), tenant, principal);
  }

  async #show({ row }: UserSnapshot, tenant: TenantSnapshot | null, principal: SessionPrincipal): Promise<Me> {
    const { plan, features } = await this.entitlements.of(principal);
    const { impersonatedBy } = principal;
    const user = { ...row, name: nameOfUser(row) };
    return { user, tenant: toMeTenant(tenant, principal), plan, features: [...features], impersonatedBy };
  }
}

function toMeTenant(tenant: TenantSnapshot | null, { organization }: SessionPrincipal): Me['tenant'] {
  if (!tenant || !organization) return null;
  const { role, permissions } = organization;
  return { ...tenant.row, name: nameOfTenant(tenant.row), role, permissions: [...permissions] };
}
