import { z } from 'zod';
import { ClerkRole } from '../clerk/index.ts';
import { StorableSettings, storableText, Time } from '../http/index.ts';
import { isEmailAddress, MAX_EMAIL_ADDRESS } from './email-address.ts';

const MAX_NAME = 256;
/** What Clerk takes: letters, digits and hyphens. */
const Slug = z
  .string()
  .max(MAX_NAME)
  .regex(/^[a-z0-9](?:[a-z0-9-]*[a-z0-9])?$/, 'must be small letters, digits and hyphens');

export const NewTenant = z
  .strictObject({ name: storableText(MAX_NAME), slug: Slug.optional() })
  .meta({ id: 'NewTenant' });
export type NewTenant = z.output<typeof NewTenant>;

export const TenantChanges = z
  .strictObject({
    name: storableText(MAX_NAME).optional(),
    slug: Slug.optional(),
    settings: StorableSettings.optional(),
  })
  .meta({ id: 'TenantChanges' });
export type TenantChanges = z.output<typeof TenantChanges>;

export const TenantView = z
  .object({
    id: z.uuid(),
    clerkId: z.string(),
    name: z.string(),
    slug: z.string().nullable(),
    imageUrl: z.string().nullable(),
    settings: z.record(z.string(), z.unknown()),
    maxMembers: z.int().nullable().meta({ description: 'How many members it may have; null: no limit' }),
    createdAt: Time,
  })
  .meta({ id: 'Tenant' });
export type TenantView = z.input<typeof TenantView>;

const OF_CONTACT = 'Null unless the caller is this user, or `org:admin` of the tenant';

export const MembershipView = z
  .object({
    user: z.object({
      id: z.uuid(),
      clerkId: z.string(),
      email: z.string().nullable().meta({ description: OF_CONTACT }),
      emailVerified: z.boolean().nullable().meta({ description: OF_CONTACT }),
      phone: z.string().nullable().meta({ description: OF_CONTACT }),
      username: z.string().nullable(),
      name: z.string().nullable().meta({ description: 'Else the username' }),
    }),
    tenant: z.object({ id: z.uuid(), clerkId: z.string(), name: z.string(), slug: z.string().nullable() }),
    role: z.string(),
    createdAt: Time,
  })
  .meta({ id: 'Membership' });
export type MembershipView = z.input<typeof MembershipView>;

export const RoleChange = z
  .strictObject({ role: ClerkRole.meta({ examples: ['org:admin'] }) })
  .meta({ id: 'RoleChange' });
export type RoleChange = z.output<typeof RoleChange>;

const EmailAddress = z
  .string()
  .max(MAX_EMAIL_ADDRESS, { abort: true })
  .normalize()
  .refine(isEmailAddress, 'must be an e-mail address')
  .meta({ format: 'email', description: 'Also an internationalized one, such as x@müller.example' });

export const NewInvitation = z
  .strictObject({ email: EmailAddress, role: ClerkRole.default('org:member') })
  .meta({ id: 'NewInvitation' });
export type NewInvitation = z.output<typeof NewInvitation>;

export const InvitationView = z
  .object({
    id: z.uuid(),
    email: z.string(),
    role: z.string(),
    status: z.enum(['pending', 'accepted', 'revoked', 'expired']),
    expiresAt: Time.nullable(),
    createdAt: Time,
  })
  .meta({ id: 'Invitation' });
export type InvitationView = z.input<typeof InvitationView>;

export const ApiKeyView = z
  .object({
    id: z.string().meta({ description: "Clerk's" }),
    name: z.string(),
    description: z.string().nullable(),
    scopes: z.array(z.string()),
    createdBy: z.string().nullable().meta({ description: "Clerk's id of the user who made it" }),
    lastUsedAt: Time.nullable(),
    expiresAt: Time.nullable(),
    createdAt: Time,
  })
  .meta({ id: 'ApiKey' });
export type ApiKeyView = z.input<typeof ApiKeyView>;
