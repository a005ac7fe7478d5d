import { type DynamicModule, Module, StandardSchemaSerializerInterceptor } from '@nestjs/common';
import { APP_FILTER, APP_GUARD, APP_INTERCEPTOR, APP_PIPE } from '@nestjs/core';
import { LoggerModule } from 'nestjs-pino';
import { ormOptions, ownerOptions } from '../mikro-orm.config.ts';
import { AuthModule, ClerkAuthGuard, LastCheckInterceptor } from './auth/index.ts';
import { BillingModule, ConsumptionInterceptor } from './billing/index.ts';
import { ClerkModule } from './clerk/index.ts';
import { ConfigModule, type Settings } from './config/index.ts';
import { DatabaseModule } from './database/index.ts';
import { ENTITLEMENTS } from './entitlements.ts';
import { HealthModule } from './health/health.module.ts';
import { HttpModule, InputPipe, JsonBodyInterceptor, logging, ProblemFilter } from './http/index.ts';
import { JobsModule } from './jobs/index.ts';
import { MeModule } from './me/me.module.ts';
import { ProjectsModule } from './projects/index.ts';
import { TenantGuard, TenantsModule } from './tenants/index.ts';
import { UsersModule } from './users/index.ts';
import { WebhooksModule } from './webhooks/index.ts';

export const databaseOf = ({ databaseUrl, databaseOwnerUrl }: Settings) =>
  DatabaseModule.with(ormOptions(databaseUrl), ownerOptions(databaseOwnerUrl));

export const modulesOf = (settings: Settings, entitlements = ENTITLEMENTS) => [
  ConfigModule.with(settings),
  LoggerModule.forRoot(logging(settings)),
  databaseOf(settings),
  JobsModule,
  HttpModule,
  ClerkModule,
  AuthModule,
  UsersModule,
  TenantsModule,
  BillingModule.with(entitlements),
  MeModule,
  ProjectsModule,
  WebhooksModule,
  HealthModule,
];

/** What every request passes, in this order: who calls, for which tenant, the body, its schema, the handler, the answer's schema. */
export const requestChain = [
  { provide: APP_FILTER, useClass: ProblemFilter },
  { provide: APP_GUARD, useExisting: ClerkAuthGuard },
  { provide: APP_GUARD, useExisting: TenantGuard },
  { provide: APP_INTERCEPTOR, useClass: JsonBodyInterceptor },
  { provide: APP_INTERCEPTOR, useExisting: LastCheckInterceptor },
  { provide: APP_INTERCEPTOR, useExisting: ConsumptionInterceptor },
  { provide: APP_PIPE, useClass: InputPipe },
  { provide: APP_INTERCEPTOR, useClass: StandardSchemaSerializerInterceptor },
];

@Module({})
export class AppModule {
  static with(settings: Settings): DynamicModule {
    return { module: AppModule, imports: modulesOf(settings), providers: requestChain };
  }
}
