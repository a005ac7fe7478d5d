import { z } from 'zod';
import { ClerkOrganization } from './clerk-organization.schema.ts';
import { ClerkId, ClerkRole, LenientText, LenientTime } from './clerk-values.schema.ts';

/** A user in an organization, as Clerk sends it, whole even when it ended. */
export const ClerkMembership = z.looseObject({
  id: ClerkId,
  role: ClerkRole,
  organization: ClerkOrganization,
  public_user_data: z.looseObject({
    user_id: ClerkId,
    /** Whichever address, number or name the user signs in with. */
    identifier: LenientText,
    first_name: LenientText,
    last_name: LenientText,
    image_url: LenientText,
    username: LenientText,
  }),
  created_at: LenientTime,
  updated_at: LenientTime,
});
export type ClerkMembership = z.infer<typeof ClerkMembership>;
