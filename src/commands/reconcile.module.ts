import { EntityManager } from '@mikro-orm/postgresql';
import { type DynamicModule, Global, Module } from '@nestjs/common';
import { databaseOf } from '../app.module.ts';
import { AuthModule } from '../auth/index.ts';
import { BillingProvider, ClerkBillingProvider, ENTITLEMENT_BOOK, Plans } from '../billing/index.ts';
import {
  ClerkApi,
  ClerkBilling,
  ClerkBreaker,
  ClerkCalls,
  ClerkMachineTokens,
  ClerkReader,
  InstanceCheck,
  Reconciliation,
} from '../clerk/index.ts';
import { ConfigModule, type Settings } from '../config/index.ts';
import { ENTITLEMENTS } from '../entitlements.ts';
import { Metrics } from '../http/index.ts';
import { MembershipMirror, MembershipSubject, TenantMirror, tenantSubject } from '../tenants/index.ts';
import { UserMirror, UsersModule, userSubject } from '../users/index.ts';

/** Not ClerkModule: it would note in the background whichever instance the secret key is of, before that is checked. */
@Global()
@Module({
  providers: [
    ClerkApi,
    ClerkBilling,
    ClerkBreaker,
    ClerkCalls,
    ClerkMachineTokens,
    ClerkReader,
    InstanceCheck,
    Metrics,
  ],
  exports: [ClerkApi, ClerkBilling, ClerkMachineTokens, ClerkReader, InstanceCheck, Metrics],
})
class GroundModule {}

/** Not TenantsModule, whose services write to Clerk. */
const reconciliation = {
  provide: Reconciliation,
  inject: [EntityManager, InstanceCheck, ClerkReader, UserMirror, TenantMirror, MembershipMirror],
  useFactory: (
    em: EntityManager,
    instances: InstanceCheck,
    reader: ClerkReader,
    users: UserMirror,
    tenants: TenantMirror,
    memberships: MembershipMirror,
  ) =>
    new Reconciliation(em, instances, [
      userSubject(em, reader, users),
      tenantSubject(em, reader, tenants, memberships),
      new MembershipSubject(em, reader, memberships),
    ]),
};

/** Not BillingModule, which follows the provider in the background. */
const plans = [
  { provide: ENTITLEMENT_BOOK, useValue: ENTITLEMENTS },
  { provide: BillingProvider, useClass: ClerkBillingProvider },
  Plans,
];

/** What the reconcile command needs of the application: no server, no jobs, no webhooks. */
@Module({})
export class ReconcileModule {
  static with(settings: Settings): DynamicModule {
    return {
      module: ReconcileModule,
      imports: [ConfigModule.with(settings), databaseOf(settings), GroundModule, AuthModule, UsersModule],
      providers: [TenantMirror, MembershipMirror, reconciliation, ...plans],
    };
  }
}
