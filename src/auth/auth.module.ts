import { CacheModule } from '@nestjs/cache-manager';
import { Global, Module } from '@nestjs/common';
import { Keyv } from 'keyv';
import { ClerkAuthGuard } from './clerk-auth.guard.ts';
import { LastCheckInterceptor } from './last-check.interceptor.ts';
import { TokenVerifier } from './token-verifier.service.ts';
import { VerificationKeys } from './verification-keys.service.ts';
import { VerifiedTokenStore } from './verified-token.store.ts';
import { VerifiedTokens } from './verified-tokens.service.ts';

/** Without its serializer Keyv keeps the claims as they are; they are frozen. */
const inMemory = () =>
  new Keyv({ store: new VerifiedTokenStore(), serialize: undefined, deserialize: undefined, useKeyPrefix: false });

@Global()
@Module({
  imports: [CacheModule.registerAsync({ useFactory: () => ({ stores: [inMemory()] }) })],
  providers: [VerificationKeys, TokenVerifier, VerifiedTokens, ClerkAuthGuard, LastCheckInterceptor],
  exports: [VerificationKeys, VerifiedTokens, ClerkAuthGuard, LastCheckInterceptor],
})
export class AuthModule {}
