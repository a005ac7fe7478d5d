import type { ClerkInvitation, ClerkMembership, ClerkOrganization } from '../clerk/index.ts';
import { storableText } from '../database/index.ts';
import type { InvitationStatus } from './invitation.entity.ts';

const STATUSES: string[] = ['pending', 'accepted', 'revoked', 'expired'] satisfies InvitationStatus[];

/** What Clerk says of an organization, in our words: the input of the mirror, as the others below. */
export interface TenantFacts {
  clerkId: string;
  name: string | null;
  slug: string | null;
  imageUrl: string | null;
  maxMembers: number | null;
  createdBy: string | null;
  /** Clerk's time in milliseconds; 0 for claims, which only ever insert. */
  updatedAt: number;
  eventId: string;
}

export interface MembershipFacts {
  clerkId: string;
  role: string;
  /** Clerk's times in milliseconds. */
  createdAt: number;
  updatedAt: number;
  /** Null while it lasts. */
  endedAt: number | null;
  eventId: string;
}

export interface InvitationFacts {
  clerkId: string;
  email: string;
  /** Clerk's id of the user who accepted it, where Clerk says it. */
  acceptedBy: string | null;
  role: string;
  status: InvitationStatus;
  expiresAt: number | null;
  createdAt: number;
  updatedAt: number;
  eventId: string;
}

/** From a claim: its id, and its slug at the most. */
export function factsOfClaim({ clerkId, slug }: { clerkId: string; slug: string | null }): TenantFacts {
  const unknown = { name: null, imageUrl: null, maxMembers: null, createdBy: null };
  return { ...unknown, clerkId, slug: storableText(slug), updatedAt: 0, eventId: '' };
}

/** From an organization as Clerk's API or an event shows it, or as it is inside a membership. */
export function factsOfOrganization(organization: ClerkOrganization, eventId = ''): TenantFacts {
  return {
    clerkId: organization.id,
    name: storableText(organization.name),
    slug: storableText(organization.slug),
    imageUrl: storableText(organization.image_url),
    maxMembers: wholeNumber(organization.max_allowed_memberships),
    createdBy: storableText(organization.created_by),
    updatedAt: organization.updated_at ?? 0,
    eventId,
  };
}

/** Who told of a membership, and what it does not say itself. */
export interface MembershipWord {
  eventId: string;
  /** Clerk's time of it in milliseconds, where it may have none of its own. */
  at?: number;
  /** When it ended, if it did: Clerk shows what is gone as it was. */
  endedAt?: number;
}

export function factsOfMembership(
  membership: ClerkMembership,
  { eventId, at, endedAt }: MembershipWord,
): MembershipFacts {
  const createdAt = membership.created_at ?? 0;
  const updatedAt = membership.updated_at ?? at ?? createdAt;
  return { clerkId: membership.id, role: membership.role, createdAt, updatedAt, endedAt: endedAt ?? null, eventId };
}

export function factsOfInvitation(invitation: ClerkInvitation, eventId = ''): InvitationFacts {
  const createdAt = invitation.created_at ?? 0;
  return {
    clerkId: invitation.id,
    email: storableText(invitation.email_address) ?? '',
    acceptedBy: invitation.user_id ?? null,
    role: invitation.role,
    status: STATUSES.includes(invitation.status ?? '') ? (invitation.status as InvitationStatus) : 'pending',
    expiresAt: invitation.expires_at ?? null,
    createdAt,
    updatedAt: invitation.updated_at ?? createdAt,
    eventId,
  };
}

function wholeNumber(value: number | null | undefined): number | null {
  return typeof value === 'number' && Number.isInteger(value) && Math.abs(value) < 2 ** 31 ? value : null;
}

/** Stands for an event's id where Clerk answered a call of ours: at equal times it is the last word, after every event's. */
export const ANSWER = '~answer';
