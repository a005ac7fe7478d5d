import { CacheModule } from '@nestjs/cache-manager';
import { Global, Module } from '@nestjs/common';
import { DiscoveryModule } from '@nestjs/core';
import { Keyv } from 'keyv';
import { Access } from './access.service.ts';
import { Audience } from './audience.service.ts';
import { CallerEntitlements } from './caller-entitlements.service.ts';
import { ClerkAuthGuard } from './clerk-auth.guard.ts';
import { LastCheckInterceptor } from './last-check.interceptor.ts';
import { MachineJwts } from './machine-jwts.service.ts';
import { MachineTokens } from './machine-tokens.service.ts';
import { MachineVerifier } from './machine-verifier.service.ts';
import { Newcomers } from './newcomers.service.ts';
import { ProvenKeys } from './proven-keys.service.ts';
import { Redis } from './redis.service.ts';
import { Revocations } from './revocations.service.ts';
import { RouteDocs } from './route-docs.service.ts';
import { Routes } from './routes.service.ts';
import { RoutesCheck } from './routes-check.service.ts';
import { SessionCookies } from './session-cookies.service.ts';
import { SessionEvents } from './session-events.service.ts';
import { SharedVerdicts } from './shared-verdicts.service.ts';
import { TokenSignatures } from './token-signatures.service.ts';
import { TokenVerifier } from './token-verifier.service.ts';
import { VerificationKeys } from './verification-keys.service.ts';
import { VerifiedTokenStore } from './verified-token.store.ts';
import { VerifiedTokens } from './verified-tokens.service.ts';

/** Without its serializer Keyv keeps the claims as they are; they are frozen. */
const inMemory = () =>
  new Keyv({ store: new VerifiedTokenStore(), serialize: undefined, deserialize: undefined, useKeyPrefix: false });

@Global()
@Module({
  imports: [DiscoveryModule, CacheModule.registerAsync({ useFactory: () => ({ stores: [inMemory()] }) })],
  providers: [
    VerificationKeys,
    TokenSignatures,
    TokenVerifier,
    VerifiedTokens,
    SessionCookies,
    MachineJwts,
    MachineVerifier,
    Audience,
    Newcomers,
    Redis,
    SharedVerdicts,
    ProvenKeys,
    MachineTokens,
    Revocations,
    SessionEvents,
    Access,
    CallerEntitlements,
    Routes,
    RouteDocs,
    RoutesCheck,
    ClerkAuthGuard,
    LastCheckInterceptor,
  ],
  exports: [
    VerificationKeys,
    VerifiedTokens,
    Revocations,
    Access,
    CallerEntitlements,
    ClerkAuthGuard,
    LastCheckInterceptor,
  ],
})
export class AuthModule {}
