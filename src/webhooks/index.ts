export type { InboxStatus } from './inbox-event.entity.ts';
export { Replay } from './replay.service.ts';
export { WebhooksModule } from './webhooks.module.ts';
