import { Controller, HttpCode, Post, Req, SerializeOptions, UseGuards } from '@nestjs/common';
import { ApiBody, ApiNoContentResponse, ApiTags } from '@nestjs/swagger';
import type { Request } from 'express';
import { z } from 'zod';
import { Problem, Public, parseJson, RawBody } from '../http/index.ts';
import { Intake } from './intake.service.ts';
import { readEvent } from './received-event.ts';
import { Signatures } from './signatures.service.ts';
import { SignedHeadersGuard, signedHeaders } from './signed-headers.ts';

const MAX_EVENT_BYTES = 1_048_576;

@ApiTags('webhooks')
@Public()
@UseGuards(SignedHeadersGuard)
@Controller('webhooks')
export class WebhooksController {
  constructor(
    private readonly signatures: Signatures,
    private readonly intake: Intake,
  ) {}

  /** An event of Clerk's, signed. 204: our copy is right, and every handler of a feature has its job. */
  @Post('clerk')
  @HttpCode(204)
  @RawBody(MAX_EVENT_BYTES)
  @ApiBody({ schema: { type: 'object' } })
  @ApiNoContentResponse()
  @SerializeOptions({ schema: z.void() })
  async receive(@Req() request: Request): Promise<void> {
    const receivedAt = new Date();
    const headers = signedHeaders(request.headers);
    if (!headers) throw new Problem('webhook_signature_invalid');
    const bytes = Buffer.isBuffer(request.body) ? request.body : Buffer.alloc(0);
    this.signatures.verify(bytes, headers, request.ip ?? '');
    const event = this.intake.read(headers['webhook-id'], () =>
      readEvent(headers['webhook-id'], parseJson(bytes), receivedAt),
    );
    await this.intake.take(event);
  }
}
