import { z } from 'zod';
import { ClerkId, LenientFlag, LenientId, LenientNumber, LenientText, LenientTime } from './clerk-values.schema.ts';

/**
 * An organization as Clerk sends it, by API, in events and inside its memberships
 * (https://clerk.com/docs/reference/backend-api, Organization). Lenient, as ClerkUser is.
 */
export const ClerkOrganization = z.looseObject({
  id: ClerkId,
  name: LenientText,
  slug: LenientText,
  image_url: LenientText,
  /** 0: as many as the instance allows. */
  max_allowed_memberships: LenientNumber,
  /** Whether its admins may delete it. */
  admin_delete_enabled: LenientFlag,
  created_by: LenientId,
  created_at: LenientTime,
  updated_at: LenientTime,
});
export type ClerkOrganization = z.infer<typeof ClerkOrganization>;
