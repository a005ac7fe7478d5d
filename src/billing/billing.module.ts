import { type DynamicModule, Module, type Type } from '@nestjs/common';
import { DiscoveryModule } from '@nestjs/core';
import { LocalEntitlements } from '../auth/index.ts';
import { BillingController } from './billing.controller.ts';
import { BillingMirror } from './billing-mirror.service.ts';
import { BillingProvider } from './billing-provider.ts';
import { ClerkBillingEvents } from './clerk-billing-events.service.ts';
import { ClerkBillingProvider } from './clerk-billing-provider.service.ts';
import { ConsumesCheck } from './consumes-check.service.ts';
import { ConsumptionInterceptor } from './consumption.interceptor.ts';
import { Consumptions } from './consumptions.service.ts';
import { ENTITLEMENT_BOOK, type EntitlementBook } from './entitlement-book.ts';
import { Entitlements } from './entitlements.service.ts';
import { JoinedUsage } from './joined-usage.service.ts';
import { KnownPayers } from './known-payers.service.ts';
import { Overrides } from './overrides.service.ts';
import { Payers } from './payers.service.ts';
import { PlansController } from './plans.controller.ts';
import { Plans } from './plans.service.ts';
import { PlansStart } from './plans-start.service.ts';
import { Rereads } from './rereads.service.ts';
import { requireSound } from './sound-book.ts';
import { SubscriptionReader } from './subscription-reader.service.ts';
import { Subscriptions } from './subscriptions.service.ts';
import { Trials } from './trials.service.ts';
import { Usage } from './usage.service.ts';

/** The provider of billing: what asks it, and what hears its events. */
interface Adapter {
  provider: Type<BillingProvider>;
  events: Type[];
}

const CLERK_BILLING: Adapter = { provider: ClerkBillingProvider, events: [ClerkBillingEvents] };

@Module({})
export class BillingModule {
  static with(book: EntitlementBook, { provider, events }: Adapter = CLERK_BILLING): DynamicModule {
    requireSound(book);
    return {
      module: BillingModule,
      global: true,
      imports: [DiscoveryModule],
      controllers: [PlansController, BillingController],
      providers: [
        { provide: ENTITLEMENT_BOOK, useValue: book },
        { provide: BillingProvider, useClass: provider },
        ...events,
        BillingMirror,
        SubscriptionReader,
        Rereads,
        Plans,
        PlansStart,
        Entitlements,
        { provide: LocalEntitlements, useExisting: Entitlements },
        Payers,
        Subscriptions,
        Overrides,
        Trials,
        KnownPayers,
        JoinedUsage,
        Usage,
        Consumptions,
        ConsumptionInterceptor,
        ConsumesCheck,
      ],
      exports: [Payers, Entitlements, LocalEntitlements, Usage, ConsumptionInterceptor],
    };
  }
}
