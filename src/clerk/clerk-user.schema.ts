import { z } from 'zod';
import {
  ClerkId,
  ClerkTime,
  LenientFlag,
  LenientNumber,
  LenientText,
  LenientTime,
  lenientList,
} from './clerk-values.schema.ts';

/** Which state the check of an address is in: `verified` alone says that it is the user's. */
const Verification = z.looseObject({ status: LenientText }).nullish().catch(null);
const Email = z.looseObject({ id: LenientText, email_address: LenientText, verification: Verification });
const Phone = z.looseObject({ id: LenientText, phone_number: LenientText });

/**
 * A user as Clerk sends it, by API and in events (https://clerk.com/docs/reference/backend-api, User). Lenient: unknown
 * fields pass, missing optional ones too; but what refuses a user is taken at its word alone. Times are in milliseconds.
 */
export const ClerkUser = z.looseObject({
  id: ClerkId,
  external_id: LenientText,
  primary_email_address_id: LenientText,
  email_addresses: lenientList(Email),
  primary_phone_number_id: LenientText,
  phone_numbers: lenientList(Phone),
  username: LenientText,
  first_name: LenientText,
  last_name: LenientText,
  image_url: LenientText,
  banned: z.boolean().nullish(),
  locked: z.boolean().nullish(),
  deprovisioned: z.boolean().nullish(),
  /** Whether Clerk's own front end would let the user create an organization, and how many; null or 0: any number. */
  create_organization_enabled: LenientFlag,
  create_organizations_limit: LenientNumber,
  created_at: LenientTime,
  updated_at: ClerkTime.nullish(),
});
export type ClerkUser = z.infer<typeof ClerkUser>;
