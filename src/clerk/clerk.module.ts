import { Global, Module } from '@nestjs/common';
import { ClerkApi } from './clerk-api.service.ts';

@Global()
@Module({ providers: [ClerkApi], exports: [ClerkApi] })
export class ClerkModule {}
