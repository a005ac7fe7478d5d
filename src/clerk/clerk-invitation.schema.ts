import { z } from 'zod';
import { ClerkId, ClerkRole, LenientId, LenientText, LenientTime } from './clerk-values.schema.ts';

/** An invitation to an organization, as Clerk sends it. Its `url` holds a ticket: it is neither kept nor shown. */
export const ClerkInvitation = z.looseObject({
  id: ClerkId,
  organization_id: ClerkId,
  email_address: z.string(),
  role: ClerkRole,
  /** `pending`, `accepted`, `revoked` or `expired`. */
  status: LenientText,
  inviter_id: LenientId,
  /** Who accepted it, in that event alone. */
  user_id: LenientId,
  expires_at: LenientTime,
  created_at: LenientTime,
  updated_at: LenientTime,
});
export type ClerkInvitation = z.infer<typeof ClerkInvitation>;
