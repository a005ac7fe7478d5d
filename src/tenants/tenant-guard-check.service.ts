import { Injectable, type OnModuleInit, type Type } from '@nestjs/common';
import { DiscoveryService, HttpAdapterHost } from '@nestjs/core';
import { ClerkAuthGuard } from '../auth/index.ts';
import { TenantGuard } from './tenant.guard.ts';

/** Stops the start of a server whose requests would have no tenant. */
@Injectable()
export class TenantGuardCheck implements OnModuleInit {
  constructor(
    private readonly discovery: DiscoveryService,
    private readonly server: HttpAdapterHost,
  ) {}

  onModuleInit(): void {
    if (!this.server.httpAdapter) return;
    const guards = this.discovery.getProviders().filter(({ subtype }) => subtype === 'guard');
    const placeOf = (guard: Type) => guards.findIndex(({ instance }) => (instance as unknown) instanceof guard);
    if (placeOf(TenantGuard) <= placeOf(ClerkAuthGuard))
      throw new Error('Requests would have no tenant: provide TenantGuard as APP_GUARD, after ClerkAuthGuard');
  }
}
