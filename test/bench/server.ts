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
import { APP_GUARD, NestFactory } from '@nestjs/core';
import type { NestExpressApplication } from '@nestjs/platform-express';
import type { Request } from 'express';
import { z } from 'zod';
import { databaseOf, modulesOf, requestChain } from '../../src/app.module.ts';
import { createApp } from '../../src/app.ts';
import { AuthModule, ClerkAuthGuard, RequireFeature } from '../../src/auth/index.ts';
import { ClerkModule } from '../../src/clerk/index.ts';
import { ConfigModule, environment, readSettings } from '../../src/config/index.ts';
import { HttpModule, Public } from '../../src/http/index.ts';
import { UsersModule } from '../../src/users/index.ts';
import { QuotaController } from './quota.controller.ts';

/** One route behind no guard, ours, or one that calls Clerk's SDK. */
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

/** What is shipped does not start without its guard: this lets everybody through. */
@Public()
class OpenController extends BenchController {}
Controller('bench')(OpenController);

/** The same behind a rule about the plan. */
@RequireFeature('export')
class ExportsController extends BenchController {}
Controller('bench/exports')(ExportsController);

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

const [config, database] = [ConfigModule.with(settings), databaseOf(settings)];
const ours = { provide: APP_GUARD, useExisting: ClerkAuthGuard };
const sdk = { provide: APP_GUARD, useClass: SdkGuard };

/** `bare`: Nest and what the guard itself needs, so that nothing else hides its cost; `app`: all that is shipped. */
const bare = {
  imports: [config, database, HttpModule, ClerkModule, AuthModule, UsersModule],
  controllers: [BenchController],
};
const app = { imports: modulesOf(settings), controllers: [BenchController] };
const variants = {
  'bare none': { ...bare },
  'bare guard': { ...bare, providers: [ours] },
  'bare sdk': { ...bare, providers: [sdk] },
  'app none': { ...app, controllers: [OpenController], providers: requestChain },
  'app guard': { ...app, controllers: [BenchController, ExportsController], providers: requestChain },
  'app quota': { ...app, controllers: [QuotaController], providers: requestChain },
};

@Module(variants[variant as keyof typeof variants])
class BenchModule {}

const server = variant?.startsWith('app')
  ? await createApp(settings, BenchModule)
  : await NestFactory.create<NestExpressApplication>(BenchModule, { logger: false, bodyParser: false });
server.set('etag', false);
await server.listen(settings.port, settings.host);
process.send?.('ready');
