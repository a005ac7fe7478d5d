/** Inject what signs events, one or more while they are rotated, with `@Inject(WEBHOOK_SECRETS) secrets: string[]`. */
export const WEBHOOK_SECRETS = Symbol('WEBHOOK_SECRETS');
