import 'reflect-metadata';
import { createClerkClient } from '@clerk/backend';
import {
  type CanActivate,
  Controller,
  type ExecutionContext,
  Get,
  Injectable,
  Module,
  SerializeOptions,
  UnauthorizedException,
} from '@nestjs/common';
import { APP_GUARD } from '@nestjs/core';
import type { Request } from 'express';
import { z } from 'zod';
import { modulesOf, requestChain } from '../../src/app.module.ts';
import { createApp } from '../../src/app.ts';
import { environment, readSettings } from '../../src/config/index.ts';

/** One route under the application's own chain, behind no guard, ours, or one that calls Clerk's SDK. */
const variant = process.argv[2];
const settings = readSettings(environment());

@Controller('bench')
@SerializeOptions({ schema: z.object({ ok: z.boolean() }) })
class BenchController {
  @Get()
  show() {
    return { ok: true };
  }
}

@Injectable()
class SdkGuard implements CanActivate {
  readonly #clerk = createClerkClient({
    secretKey: settings.clerk.secretKey,
    publishableKey: settings.clerk.publishableKey,
    telemetry: { disabled: true },
  });
  readonly #options = {
    jwtKey: settings.clerk.jwtKey?.export({ type: 'spki', format: 'pem' }) as string,
    authorizedParties: settings.clerk.authorizedParties,
  };

  async canActivate(context: ExecutionContext): Promise<boolean> {
    const { url, method, headers } = context.switchToHttp().getRequest<Request>();
    const request = new globalThis.Request(new URL(url, 'http://localhost'), {
      method,
      headers: { authorization: headers.authorization ?? '' },
    });
    const state = await this.#clerk.authenticateRequest(request, this.#options);
    if (!state.toAuth()?.userId) throw new UnauthorizedException();
    return true;
  }
}

const unguarded = requestChain.filter(({ provide }) => provide !== APP_GUARD);
const chains = {
  plain: unguarded,
  guard: requestChain,
  sdk: [...unguarded, { provide: APP_GUARD, useClass: SdkGuard }],
};

@Module({
  imports: modulesOf(settings),
  controllers: [BenchController],
  providers: chains[variant as keyof typeof chains],
})
class BenchModule {}

const app = await createApp(settings, BenchModule);
await app.listen(settings.port, settings.host);
process.send?.('ready');
