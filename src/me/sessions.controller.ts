import { Controller, Delete, Get, HttpCode, Param, SerializeOptions } from '@nestjs/common';
import { ApiNoContentResponse, ApiOkResponse, ApiTags } from '@nestjs/swagger';
import { z } from 'zod';
import { CurrentSession, ForbidImpersonation, type SessionPrincipal } from '../auth/index.ts';
import { Sessions } from './sessions.schemas.ts';
import { SessionsService } from './sessions.service.ts';

@ApiTags('me')
@Controller('v1/me/sessions')
export class SessionsController {
  constructor(private readonly sessions: SessionsService) {}

  /** The caller's sessions that are active at Clerk. */
  @Get()
  @ApiOkResponse({ standardSchema: Sessions })
  @SerializeOptions({ schema: Sessions })
  async list(@CurrentSession() principal: SessionPrincipal): Promise<Sessions> {
    return this.sessions.list(principal);
  }

  /** Signs the session out: its tokens are refused at once. */
  @Delete(':id')
  @ForbidImpersonation()
  @HttpCode(204)
  @ApiNoContentResponse()
  @SerializeOptions({ schema: z.void() })
  async revoke(@CurrentSession() principal: SessionPrincipal, @Param('id') id: string): Promise<void> {
    await this.sessions.revoke(principal, id);
  }
}
