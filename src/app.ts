import type { DynamicModule, Type } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import type { NestExpressApplication } from '@nestjs/platform-express';
import type { NextFunction, Request, Response } from 'express';
import helmet from 'helmet';
import { Logger } from 'nestjs-pino';
import { AppModule } from './app.module.ts';
import { RouteDocs } from './auth/index.ts';
import type { Settings } from './config/index.ts';
import { DatabaseStartup } from './database/index.ts';
import { answerMalformed, endWithServer, serveDocs, untilReady, withRequestId } from './http/index.ts';

const PREFLIGHT_MAX_AGE_S = 600;
/**
 * How long a request may take to arrive: its headers, and the whole. Node takes the longer of the two for the whole, whichever
 * it is, and closes what is late only when it looks. It reads the last one when the server begins to listen.
 */
const ARRIVAL_TIMES = { headersTimeout: 15_000, requestTimeout: 30_000, connectionsCheckingInterval: 5000 };

/** The application, ready to listen. */
export async function createApp(
  settings: Settings,
  module: DynamicModule | Type = AppModule.with(settings),
): Promise<NestExpressApplication> {
  const app = await NestFactory.create<NestExpressApplication>(module, { bodyParser: false, bufferLogs: true });
  const logger = app.get(Logger);
  app.useLogger(logger);
  for (const warning of settings.warnings) logger.warn(warning, 'Settings');
  app.set('trust proxy', settings.trustProxy ?? false);
  app.set('query parser', 'simple');
  app.set('etag', false);
  app.use(endWithServer(app.getHttpServer()), withRequestId, helmet(), noStore);
  app.enableCors({
    origin: settings.corsOrigins,
    allowedHeaders: ['authorization', 'content-type', 'idempotency-key', 'x-request-id'],
    exposedHeaders: ['x-request-id', 'retry-after', 'www-authenticate', 'location', 'ratelimit', 'ratelimit-policy'],
    maxAge: PREFLIGHT_MAX_AGE_S,
  });
  app.use(untilReady(app.get(DatabaseStartup)));
  if (settings.apiDocs) serveDocs(app, app.get(RouteDocs, { strict: false }));
  answerMalformed(app.getHttpServer());
  Object.assign(app.getHttpServer(), ARRIVAL_TIMES);
  return app;
}

/** Answers are somebody's: no cache on the way keeps them (RFC 9111, section 5.2.2.5). */
function noStore(_request: Request, response: Response, next: NextFunction): void {
  response.setHeader('cache-control', 'no-store');
  next();
}
