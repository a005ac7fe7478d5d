import { Body, Controller, Get, Patch, SerializeOptions } from '@nestjs/common';
import { ApiOkResponse, ApiTags } from '@nestjs/swagger';
import { CurrentPrincipal, type Principal } from '../auth/index.ts';
import { CurrentUser, User, type UserSnapshot, UsersService } from '../users/index.ts';
import { Me, MeChanges } from './me.schemas.ts';

@ApiTags('me')
@Controller('v1/me')
@SerializeOptions({ schema: Me })
export class MeController {
  constructor(private readonly users: UsersService) {}

  @Get()
  @ApiOkResponse({ standardSchema: Me })
  async show(@CurrentPrincipal() principal: Principal): Promise<Me> {
    return toMe(await this.users.findOrCreate(principal), principal);
  }

  @Patch()
  @ApiOkResponse({ standardSchema: Me })
  async change(
    @CurrentUser() user: User,
    @CurrentPrincipal() principal: Principal,
    @Body({ schema: MeChanges }) changes: MeChanges,
  ): Promise<Me> {
    return toMe(await this.users.changeProfile(user, changes), principal);
  }
}

function toMe({ row }: UserSnapshot, { impersonatedBy }: Principal): Me {
  return { user: row, tenant: null, plan: null, features: [], impersonatedBy };
}
