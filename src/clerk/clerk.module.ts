import { Global, Module } from '@nestjs/common';
import { SETTINGS, type Settings } from '../config/index.ts';
import { ClerkApi } from './clerk-api.service.ts';
import { ClerkBreaker } from './clerk-breaker.service.ts';
import { ClerkCalls } from './clerk-calls.service.ts';
import { ClerkInstance } from './clerk-instance.service.ts';
import { ClerkOrganizations } from './clerk-organizations.service.ts';
import { ClerkSessions } from './clerk-sessions.service.ts';
import { WEBHOOK_SECRETS } from './webhook-secrets.ts';

@Global()
@Module({
  providers: [
    ClerkApi,
    ClerkBreaker,
    ClerkCalls,
    ClerkInstance,
    ClerkOrganizations,
    ClerkSessions,
    { provide: WEBHOOK_SECRETS, inject: [SETTINGS], useFactory: ({ clerk }: Settings) => clerk.webhookSecrets },
  ],
  exports: [ClerkApi, ClerkInstance, ClerkOrganizations, ClerkSessions, WEBHOOK_SECRETS],
})
export class ClerkModule {}
