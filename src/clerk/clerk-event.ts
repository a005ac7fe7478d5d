import { z } from 'zod';
import { ClerkInvitation } from './clerk-invitation.schema.ts';
import { ClerkMembership } from './clerk-membership.schema.ts';
import { ClerkOrganization } from './clerk-organization.schema.ts';
import { ClerkPaymentAttempt, ClerkSubscription, ClerkSubscriptionItem } from './clerk-subscription.schema.ts';
import { ClerkUser } from './clerk-user.schema.ts';
import { ClerkId, LenientId, LenientText, LenientTime } from './clerk-values.schema.ts';
import { DeletedObject } from './deleted-object.schema.ts';

/** A session as its events show it, with its user where Clerk embeds it. Its id is enough to end it. */
const EventSession = z.looseObject({
  id: ClerkId,
  user_id: LenientId,
  status: LenientText,
  updated_at: LenientTime,
  user: ClerkUser.nullish().catch(null),
});

/** The events that handlers may ask for, with what their `data` must have (https://clerk.com/docs/webhooks/overview). */
export const CLERK_EVENTS = {
  'user.created': ClerkUser,
  'user.updated': ClerkUser,
  'user.deleted': DeletedObject,
  'session.created': EventSession,
  'session.ended': EventSession,
  'session.removed': EventSession,
  'session.revoked': EventSession,
  'organization.created': ClerkOrganization,
  'organization.updated': ClerkOrganization,
  'organization.deleted': DeletedObject,
  'organizationMembership.created': ClerkMembership,
  'organizationMembership.updated': ClerkMembership,
  'organizationMembership.deleted': ClerkMembership,
  'organizationInvitation.created': ClerkInvitation,
  'organizationInvitation.revoked': ClerkInvitation,
  'organizationInvitation.accepted': ClerkInvitation,
  'subscription.created': ClerkSubscription,
  'subscription.updated': ClerkSubscription,
  'subscription.active': ClerkSubscription,
  'subscription.pastDue': ClerkSubscription,
  'subscriptionItem.created': ClerkSubscriptionItem,
  'subscriptionItem.updated': ClerkSubscriptionItem,
  'subscriptionItem.active': ClerkSubscriptionItem,
  'subscriptionItem.canceled': ClerkSubscriptionItem,
  'subscriptionItem.upcoming': ClerkSubscriptionItem,
  'subscriptionItem.ended': ClerkSubscriptionItem,
  'subscriptionItem.abandoned': ClerkSubscriptionItem,
  'subscriptionItem.incomplete': ClerkSubscriptionItem,
  'subscriptionItem.pastDue': ClerkSubscriptionItem,
  'subscriptionItem.freeTrialEnding': ClerkSubscriptionItem,
  'paymentAttempt.created': ClerkPaymentAttempt,
  'paymentAttempt.updated': ClerkPaymentAttempt,
};

export type ClerkEventType = keyof typeof CLERK_EVENTS;

/** What happened at Clerk, verified and checked. */
export type ClerkEvent<Type extends ClerkEventType = ClerkEventType> = {
  [Each in Type]: {
    readonly id: string;
    readonly type: Each;
    /**
     * Clerk's own time in milliseconds: that of the object, else of the event, else of its receipt. One that is far ahead of
     * the receipt counts as that.
     */
    readonly at: number;
    /**
     * Clerk's time of the event itself in milliseconds, else of its receipt: what has ended may have been changed long
     * before, so that the time of the object says nothing about its end.
     */
    readonly sentAt: number;
    /** What it shows; when that was made and changed is told as `at` is. */
    readonly data: z.output<(typeof CLERK_EVENTS)[Each]>;
  };
}[Type];

export function isClerkEventType(type: string): type is ClerkEventType {
  return Object.hasOwn(CLERK_EVENTS, type);
}

/** The fields that Clerk's own schema lets events leave out, and that handlers need. */
const OMITTABLE: Record<string, string[]> = {
  organizationMembership: ['role', 'organization', 'public_user_data'],
  organizationInvitation: ['organization_id', 'email_address', 'role'],
};

/** Whether Clerk may leave that field out of an event of the type: its object may be named by its id alone, a deleted one by nothing. */
export function isOmittable(type: ClerkEventType, field: string, data: Record<string, unknown>): boolean {
  if (data[field] !== undefined && data[field] !== null) return false;
  if (field === 'id') return type.endsWith('.deleted') && data.deleted === true;
  return OMITTABLE[type.split('.')[0] ?? '']?.includes(field) ?? false;
}
