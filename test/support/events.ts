import { newId } from '../../local/clerk/ids.ts';
import { CLERK_EVENTS, type ClerkEventType } from '../../src/clerk/index.ts';

/** Whom and what the data of an event is about. */
export interface EventIds {
  userId: string;
  organizationId: string;
  /** Of the session, membership, invitation, subscription and so on. */
  objectId: string;
}

export const EVENT_TYPES = Object.keys(CLERK_EVENTS) as ClerkEventType[];

export function newIds(): EventIds {
  return { userId: newId('user'), organizationId: newId('org'), objectId: newId('sess') };
}

/** The least that an event of that type carries when Clerk leaves nothing out that it promises. */
export function dataOf(type: ClerkEventType, { userId, organizationId, objectId }: EventIds) {
  const times = { created_at: 1_790_000_000_000, updated_at: 1_790_000_000_001 };
  const payer = { id: `payer_${objectId}`, user_id: userId, organization_id: '' };
  const [subject, verb] = type.split('.');
  if (type === 'user.deleted') return { id: userId, object: 'user', deleted: true };
  if (type === 'organization.deleted') return { id: organizationId, object: 'organization', deleted: true };
  if (subject === 'user') return { id: userId, email_addresses: [], ...times };
  if (subject === 'organization') return { id: organizationId, name: 'Acme', ...times };
  if (subject === 'session') return { id: objectId, user_id: userId, status: verb, user: { id: userId }, ...times };
  if (subject === 'organizationMembership')
    return {
      id: objectId,
      role: 'org:member',
      organization: { id: organizationId, name: 'Acme' },
      public_user_data: { user_id: userId },
      ...times,
    };
  if (subject === 'organizationInvitation')
    return {
      id: objectId,
      organization_id: organizationId,
      email_address: `${objectId}@example.com`,
      role: 'org:member',
      ...(verb === 'accepted' && { user_id: userId }),
      ...times,
    };
  if (subject === 'paymentAttempt') return { id: objectId, status: 'paid', payer, subscription_items: [], ...times };
  if (subject === 'subscription') return { id: objectId, status: 'active', payer, items: [], ...times };
  return { id: objectId, status: 'active', payer, is_free_trial: false, plan: { slug: 'free' }, ...times };
}
