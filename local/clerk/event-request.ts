import { unprocessable } from './answers.ts';
import type { Billing } from './billing.ts';
import { type Directory, deletedUser } from './directory.ts';
import type { Sending } from './events.ts';
import { INVITATION_STATUSES, invitationEvent } from './invitation.ts';
import { deletedOrganization } from './organization.ts';
import type { Organizations } from './organizations.ts';
import { FAULTS, type Fault } from './webhook-sender.ts';

const OF_BILLING = /^subscription(Item)?\./;

type Body = Record<string, unknown>;

/** An event to send, a fault for the next event of a change, or the id of one to send again. */
type EventRequest = { replay: string } | { sending: Sending; event?: { type: string; data: object } };

/**
 * What `POST /local/events` asks for: `{ type, data?, …ids, fault?, delay_ms? }`, `{ fault }` alone for the next change,
 * or `{ replay: msg id }`. Data that are not given are those of what the ids name: `user_id`, `session_id`,
 * `organization_id`, with `user_id` a membership, with `invitation_id` an invitation; for `subscription.…` and
 * `subscriptionItem.…` what that user or organization has. Throws a Refusal.
 */
export function eventRequest(body: Body, directory: Directory, billing: Billing): EventRequest {
  const [replay, type] = [textOf(body, 'replay'), textOf(body, 'type')];
  if (replay) return { replay };
  const sending = sendingOf(body);
  if (type) return { sending, event: { type, data: dataOf(type, body, directory, billing) } };
  if (!sending.fault) throw unprocessable('form_param_missing', 'type', 'type, fault or replay must be there');
  return { sending };
}

function sendingOf({ fault, delay_ms: delayMs }: Body): Sending {
  if (fault !== undefined && !FAULTS.includes(fault as Fault))
    throw unprocessable('form_param_value_invalid', 'fault', `fault must be one of ${FAULTS.join(', ')}`);
  if (delayMs !== undefined && !(typeof delayMs === 'number' && delayMs >= 0))
    throw unprocessable('form_param_value_invalid', 'delay_ms', 'delay_ms must be a number of milliseconds');
  return { fault: fault as Fault | undefined, delayMs };
}

function dataOf(type: string, body: Body, directory: Directory, billing: Billing): object {
  if (typeof body.data === 'object' && body.data !== null) return body.data;
  const [userId, sessionId, organizationId] = ['user_id', 'session_id', 'organization_id'].map((name) =>
    textOf(body, name),
  );
  const payerId = organizationId ?? userId;
  if (payerId && OF_BILLING.test(type)) return billing.eventData(type, payerId);
  if (sessionId) return sessionData(type, sessionId, directory);
  if (organizationId) return organizationData(type, organizationId, body, directory);
  if (!userId) throw unprocessable('form_param_missing', 'data', 'data or an id must be there');
  if (type === 'user.deleted') return deletedUser(directory.users.get(userId) ?? { id: userId, external_id: null });
  return directory.user(userId);
}

function organizationData(type: string, id: string, body: Body, { organizations }: Directory): object {
  const [userId, invitationId] = [textOf(body, 'user_id'), textOf(body, 'invitation_id')];
  if (invitationId) return invitationData(type, id, invitationId, userId, organizations);
  if (userId) return organizations.memberships.get(id, userId);
  if (type === 'organization.deleted') return deletedOrganization(organizations.book.organizations.get(id) ?? { id });
  return organizations.get(id);
}

/** As if it had just become so. */
function invitationData(
  type: string,
  organizationId: string,
  id: string,
  userId: string | undefined,
  { book, invitations }: Organizations,
) {
  const becoming = type.split('.')[1] ?? '';
  const status = INVITATION_STATUSES.find((known) => known === becoming) ?? 'pending';
  const by = userId === undefined ? {} : { user_id: userId };
  return invitationEvent({ ...invitations.get(organizationId, id), status }, book.organization(organizationId), by);
}

/** As if it had just begun or ended so. */
function sessionData(type: string, id: string, directory: Directory): object {
  const session = directory.session(id);
  const ending = type.split('.')[1] ?? '';
  const status = ending === 'created' ? 'active' : ending;
  return { ...session, status, user: directory.users.get(session.user_id) ?? null };
}

function textOf(body: Body, name: string): string | undefined {
  const value = body[name];
  if (value !== undefined && typeof value !== 'string')
    throw unprocessable('form_param_format_invalid', name, `${name} must be a text`);
  return value || undefined;
}
