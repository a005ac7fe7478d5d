import { Global, Module } from '@nestjs/common';
import { SETTINGS, type Settings } from '../config/index.ts';
import { ClerkApi } from './clerk-api.service.ts';
import { ClerkApiKeys } from './clerk-api-keys.service.ts';
import { ClerkBilling } from './clerk-billing.service.ts';
import { ClerkBreaker } from './clerk-breaker.service.ts';
import { ClerkCalls } from './clerk-calls.service.ts';
import { ClerkInstance } from './clerk-instance.service.ts';
import { ClerkMachineTokens } from './clerk-machine-tokens.service.ts';
import { ClerkOrganizations } from './clerk-organizations.service.ts';
import { ClerkSessions } from './clerk-sessions.service.ts';
import { WEBHOOK_SECRETS } from './webhook-secrets.ts';

@Global()
@Module({
  providers: [
    ClerkApi,
    ClerkApiKeys,
    ClerkBilling,
    ClerkBreaker,
    ClerkCalls,
    ClerkInstance,
    ClerkMachineTokens,
    ClerkOrganizations,
    ClerkSessions,
    { provide: WEBHOOK_SECRETS, inject: [SETTINGS], useFactory: ({ clerk }: Settings) => clerk.webhookSecrets },
  ],
  exports: [
    ClerkApi,
    ClerkApiKeys,
    ClerkBilling,
    ClerkInstance,
    ClerkMachineTokens,
    ClerkOrganizations,
    ClerkSessions,
    WEBHOOK_SECRETS,
  ],
})
export class ClerkModule {}
