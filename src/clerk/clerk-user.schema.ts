import { z } from 'zod';

const Email = z.looseObject({ id: z.string(), email_address: z.string() });

/**
 * A user as Clerk sends it, by API and in events (https://clerk.com/docs/reference/backend-api, User). Lenient: unknown
 * fields pass, missing optional ones too. Times are in milliseconds.
 */
export const ClerkUser = z.looseObject({
  id: z.string(),
  external_id: z.string().nullish(),
  primary_email_address_id: z.string().nullish(),
  email_addresses: z.array(Email).nullish(),
  first_name: z.string().nullish(),
  last_name: z.string().nullish(),
  image_url: z.string().nullish(),
  banned: z.boolean().nullish(),
  locked: z.boolean().nullish(),
  deprovisioned: z.boolean().nullish(),
  updated_at: z.number(),
});
export type ClerkUser = z.infer<typeof ClerkUser>;
