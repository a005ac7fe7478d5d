import { z } from 'zod';
import { StorableSettings } from '../http/index.ts';

/** BCP 47, kept in its canonical form: `en`, `pt-BR`. */
const Locale = z
  .string()
  .max(35)
  .refine((value) => canonicalLocale(value) !== undefined, 'must be a language tag such as pt-BR')
  .overwrite((value) => canonicalLocale(value) ?? value)
  .meta({ examples: ['pt-BR'] });
/** A name of the IANA time zone database: `Europe/Lisbon`. */
const Timezone = z
  .string()
  .max(64)
  .refine(isTimezone, 'must be a time zone such as Europe/Lisbon')
  .meta({ examples: ['Europe/Lisbon'] });

export const MeChanges = z
  .strictObject({
    locale: Locale.nullable().optional(),
    timezone: Timezone.nullable().optional(),
    settings: StorableSettings.optional(),
  })
  .meta({ id: 'MeChanges' });
export type MeChanges = z.output<typeof MeChanges>;

const MeUser = z
  .object({
    id: z.uuid(),
    clerkId: z.string(),
    email: z.string().nullable(),
    emailVerified: z.boolean().meta({ description: "Whether the address is known to be the user's" }),
    username: z.string().nullable(),
    phone: z.string().nullable(),
    name: z.string().nullable().meta({ description: 'Else the username' }),
    imageUrl: z.string().nullable(),
    locale: z.string().nullable(),
    timezone: z.string().nullable(),
    settings: z.record(z.string(), z.unknown()),
  })
  .meta({ id: 'MeUser' });

const MeTenant = z
  .object({
    id: z.uuid(),
    clerkId: z.string(),
    name: z.string(),
    slug: z.string().nullable(),
    role: z.string(),
    permissions: z.array(z.string()),
  })
  .meta({ id: 'MeTenant' });

export const Me = z
  .object({
    user: MeUser,
    tenant: MeTenant.nullable(),
    plan: z.string().nullable(),
    features: z.array(z.string()),
    impersonatedBy: z.string().nullable(),
  })
  .meta({ id: 'Me', description: 'The caller' });
export type Me = z.input<typeof Me>;

function canonicalLocale(value: string): string | undefined {
  try {
    return Intl.getCanonicalLocales(value)[0];
  } catch {
    return undefined;
  }
}

function isTimezone(value: string): boolean {
  try {
    return /^[A-Z]/i.test(value) && Boolean(new Intl.DateTimeFormat('en', { timeZone: value }));
  } catch {
    return false;
  }
}
