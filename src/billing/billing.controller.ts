import { Body, Controller, Get, Put, SerializeOptions, UseGuards } from '@nestjs/common';
import { ApiOkResponse, ApiTags } from '@nestjs/swagger';
import { ForbidImpersonation, RequireReverification } from '../auth/index.ts';
import { CurrentUser, User } from '../users/index.ts';
import { Cancellation, EntitlementList, SubscriptionView, UsageList } from './billing.schemas.ts';
import { toEntitlementList, toSubscriptionView, toUsageList } from './billing-views.ts';
import { CurrentPayer } from './current-payer.decorator.ts';
import { Entitlements } from './entitlements.service.ts';
import type { Payer } from './payer.ts';
import { PayerAdminGuard } from './payer-admin.guard.ts';
import { Subscriptions } from './subscriptions.service.ts';
import { Usage } from './usage.service.ts';

/** Of the active tenant, or of the caller when none is active. */
@ApiTags('billing')
@Controller('v1/billing')
export class BillingController {
  constructor(
    private readonly subscriptions: Subscriptions,
    private readonly entitlements: Entitlements,
    private readonly usage: Usage,
  ) {}

  @Get('subscription')
  @ApiOkResponse({ standardSchema: SubscriptionView })
  @SerializeOptions({ schema: SubscriptionView })
  async subscription(@CurrentPayer() payer: Payer): Promise<SubscriptionView> {
    return toSubscriptionView(payer, await this.subscriptions.find(payer));
  }

  /** Ends what is paid for. Of a tenant for its admins. */
  @Put('subscription/cancellation')
  @ForbidImpersonation()
  @RequireReverification('strict')
  @UseGuards(PayerAdminGuard)
  @ApiOkResponse({ standardSchema: SubscriptionView })
  @SerializeOptions({ schema: SubscriptionView })
  async cancel(
    @CurrentPayer() payer: Payer,
    @CurrentUser() user: User,
    @Body({ schema: Cancellation }) cancellation: Cancellation,
  ): Promise<SubscriptionView> {
    return toSubscriptionView(payer, await this.subscriptions.cancel(payer, user.id, cancellation));
  }

  @Get('entitlements')
  @ApiOkResponse({ standardSchema: EntitlementList })
  @SerializeOptions({ schema: EntitlementList })
  async listEntitlements(@CurrentPayer() payer: Payer): Promise<EntitlementList> {
    return toEntitlementList(await this.entitlements.of(payer), await this.usage.all(payer));
  }

  @Get('usage')
  @ApiOkResponse({ standardSchema: UsageList })
  @SerializeOptions({ schema: UsageList })
  async listUsage(@CurrentPayer() payer: Payer): Promise<UsageList> {
    return toUsageList(await this.usage.all(payer));
  }
}
