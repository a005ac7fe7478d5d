import { Module } from '@nestjs/common';
import { DiscoveryModule } from '@nestjs/core';
import { Deliveries } from './deliveries.service.ts';
import { EventHandlers } from './event-handlers.service.ts';
import { EventJobs } from './event-jobs.service.ts';
import { Inbox } from './inbox.service.ts';
import { InboxHealth } from './inbox-health.service.ts';
import { IncompleteEvents } from './incomplete-events.service.ts';
import { Intake } from './intake.service.ts';
import { Replay } from './replay.service.ts';
import { Signatures } from './signatures.service.ts';
import { WebhooksController } from './webhooks.controller.ts';

@Module({
  imports: [DiscoveryModule],
  controllers: [WebhooksController],
  providers: [Signatures, Intake, Deliveries, EventHandlers, EventJobs, Inbox, InboxHealth, IncompleteEvents, Replay],
  exports: [Replay],
})
export class WebhooksModule {}
