export { ClerkModule } from './clerk.module.ts';
export { ClerkApi } from './clerk-api.service.ts';
export { ClerkUser } from './clerk-user.schema.ts';
export type { JsonWebKey } from './json-web-key.ts';
