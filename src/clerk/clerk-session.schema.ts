import { z } from 'zod';
import { ClerkId, LenientFlag, LenientId, LenientText, LenientTime } from './clerk-values.schema.ts';

const Activity = z.looseObject({
  browser_name: LenientText,
  device_type: LenientText,
  city: LenientText,
  country: LenientText,
  is_mobile: LenientFlag,
});

/** A session as the Backend API shows it (https://clerk.com/docs/reference/backend-api, Session). */
export const ClerkSession = z.looseObject({
  id: ClerkId,
  user_id: ClerkId,
  client_id: LenientId,
  /** `active`, `pending`, `revoked`, `ended`, `expired`, `removed`, `replaced` or `abandoned`. */
  status: z.string(),
  last_active_at: LenientTime,
  created_at: LenientTime,
  expire_at: LenientTime,
  latest_activity: Activity.nullish().catch(null),
});
export type ClerkSession = z.infer<typeof ClerkSession>;
