import { BrokenCircuitError, BulkheadRejectedError } from 'cockatiel';
import { type InputError, Problem, rateLimited } from '../http/index.ts';
import type { ClerkCall } from './clerk-http.ts';
import { ClerkRefusal } from './clerk-refusal.ts';
import { LIMIT_WINDOW_MS } from './pace.ts';

const MAX_ERRORS = 20;

const NOT_FOUND = new Set([
  'resource_not_found',
  'organization_not_found_or_unauthorized',
  'organization_invitation_not_found',
]);

/** Whatever their status: what is wrong is not the request, but how things stand. */
const CONFLICTS = new Map([
  ['already_a_member_in_organization', 'The person is a member already.'],
  ['duplicate_record', 'There is one already.'],
  ['form_identifier_exists', 'It is taken by another.'],
  ['organization_invitation_not_unique', 'The person is invited already.'],
  ['organization_invitation_not_pending', 'The invitation was accepted, revoked, or has expired.'],
  ['organization_invitation_already_accepted', 'The invitation was accepted already.'],
  ['organization_minimum_permissions_needed', 'Somebody must be left who may administer the tenant.'],
  ['organization_membership_quota_exceeded', 'The tenant has as many members and invitations as it may have.'],
  ['organization_membership_managed_by_scim', 'The membership is managed by a directory.'],
  ['organization_membership_enterprise_connection_cannot_remove', 'The membership is managed by a directory.'],
]);

/** Of what has no sentence of its own. */
const STATUS_DETAILS = new Map([
  [402, 'The plan at Clerk does not include this.'],
  [403, 'Clerk does not allow this.'],
]);

/** Clerk's parameters as our routes name them. */
const POINTERS = new Map([
  ['name', '/name'],
  ['slug', '/slug'],
  ['role', '/role'],
  ['email_address', '/email'],
]);

/** What a client is told when a call to Clerk failed; never in Clerk's words, which may repeat the input. */
export function problemOf(error: unknown, { body }: Pick<ClerkCall, 'body'> = {}): Problem {
  if (error instanceof Problem) return error;
  if (!(error instanceof ClerkRefusal)) return new Problem('unavailable', { cause: error });
  if (error.status === 429) return rateLimited(error.retryAfterMs || LIMIT_WINDOW_MS, error);
  // Clerk's word on our own key, and the answer of something else, say nothing about the request
  if (!error.isFinal || error.status === 401) return new Problem('unavailable', { cause: error });
  return refused(error, body);
}

/** Clerk was not asked. */
export class NotAsked extends Error {}

/** Whether Clerk did nothing of what a POST asked for; else it may have, or not. Other calls are made again, and may have twice. */
export function hadNoEffect({ code, cause }: Problem): boolean {
  if (code !== 'unavailable') return true;
  if (cause instanceof ClerkRefusal) return cause.status < 500 && cause.status !== 408;
  return [NotAsked, BrokenCircuitError, BulkheadRejectedError].some((reason) => cause instanceof reason);
}

/** Clerk will say the same next time, so never `unavailable`: a client that obeys Retry-After would repeat it for ever. */
function refused(cause: ClerkRefusal, sent: object | undefined): Problem {
  const { status, code = '' } = cause;
  const detail = CONFLICTS.get(code);
  if (detail) return new Problem('conflict', { detail, cause });
  // of a role that does not exist Clerk says "not found", too
  const errors = [400, 404, 422].includes(status) ? errorsOf(cause, sent) : [];
  if (errors.length > 0) return new Problem('invalid_input', { errors, cause });
  if (status === 404 && NOT_FOUND.has(code)) return new Problem('not_found', { cause });
  if (status === 409) return new Problem('conflict', { cause });
  return new Problem('conflict', {
    detail: STATUS_DETAILS.get(status) ?? 'Clerk does not accept this request.',
    cause,
  });
}

/** Only about fields that the client sent: of others it can mend nothing. */
function errorsOf({ reasons }: ClerkRefusal, sent: object = {}): InputError[] {
  return reasons.slice(0, MAX_ERRORS).flatMap(({ parameter = '' }) => {
    const isSent = Object.entries(sent).some(([name, value]) => name === parameter && value !== undefined);
    const pointer = isSent ? POINTERS.get(parameter) : undefined;
    return pointer ? [{ pointer, detail: 'Not accepted by Clerk' }] : [];
  });
}
