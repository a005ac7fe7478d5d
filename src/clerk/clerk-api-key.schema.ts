import { z } from 'zod';
import { ClerkId, ClerkTime, LenientId, LenientText, LenientTime } from './clerk-values.schema.ts';

/** An API key as the Backend API shows it, without its secret (https://clerk.com/docs/reference/backend-api, API Keys). */
export const ClerkApiKey = z.looseObject({
  id: ClerkId,
  /** Whose it is: a user, an organization or a machine. */
  subject: ClerkId,
  name: z.string(),
  description: LenientText,
  scopes: z.array(z.string()).default([]),
  revoked: z.boolean(),
  created_by: LenientId,
  last_used_at: LenientTime,
  expiration: LenientTime,
  created_at: ClerkTime,
});
export type ClerkApiKey = z.infer<typeof ClerkApiKey>;
