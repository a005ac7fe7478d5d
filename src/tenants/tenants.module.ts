import { Global, Module } from '@nestjs/common';
import { DiscoveryModule } from '@nestjs/core';
import { EventTenants } from '../clerk/index.ts';
import { ApiKeysController } from './api-keys.controller.ts';
import { ApiKeysService } from './api-keys.service.ts';
import { InvitationMirror } from './invitation-mirror.service.ts';
import { InvitationsController } from './invitations.controller.ts';
import { InvitationsService } from './invitations.service.ts';
import { MembersController } from './members.controller.ts';
import { MembersService } from './members.service.ts';
import { MembershipMirror } from './membership-mirror.service.ts';
import { OwnMembershipsController } from './own-memberships.controller.ts';
import { TenantGuard } from './tenant.guard.ts';
import { TenantChangesService } from './tenant-changes.service.ts';
import { TenantEvents } from './tenant-events.service.ts';
import { TenantGuardCheck } from './tenant-guard-check.service.ts';
import { TenantIntents } from './tenant-intents.service.ts';
import { TenantMirror } from './tenant-mirror.service.ts';
import { TenantsController } from './tenants.controller.ts';
import { TenantsService } from './tenants.service.ts';

@Global()
@Module({
  imports: [DiscoveryModule],
  controllers: [
    TenantsController,
    MembersController,
    OwnMembershipsController,
    InvitationsController,
    ApiKeysController,
  ],
  providers: [
    MembersService,
    InvitationsService,
    ApiKeysService,
    TenantChangesService,
    TenantIntents,
    TenantMirror,
    MembershipMirror,
    InvitationMirror,
    TenantEvents,
    TenantsService,
    TenantGuard,
    TenantGuardCheck,
    { provide: EventTenants, useExisting: TenantsService },
  ],
  exports: [TenantMirror, MembershipMirror, InvitationMirror, TenantsService, TenantGuard, EventTenants],
})
export class TenantsModule {}
