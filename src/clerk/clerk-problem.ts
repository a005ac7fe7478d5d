import { BrokenCircuitError, BulkheadRejectedError } from 'cockatiel';
import { type InputError, Problem, rateLimited } from '../http/index.ts';
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

/** Clerk's parameters as our routes name them. */
const POINTERS = new Map([
  ['name', '/name'],
  ['slug', '/slug'],
  ['role', '/role'],
  ['email_address', '/email'],
]);

/** What a client is told when a call to Clerk failed; never in Clerk's words, which may repeat the input. */
export function problemOf(error: unknown): Problem {
  if (error instanceof Problem) return error;
  if (!(error instanceof ClerkRefusal)) return new Problem('unavailable', { cause: error });
  if (error.status === 429) return rateLimited(error.retryAfterMs || LIMIT_WINDOW_MS, error);
  if (!error.isOfTheCall) return new Problem('unavailable', { cause: error });
  return refused(error);
}

/** Clerk was not asked. */
export class NotAsked extends Error {}

/** Whether Clerk did nothing of what a POST asked for; else it may have, or not. Other calls are made again, and may have twice. */
export function hadNoEffect({ code, cause }: Problem): boolean {
  if (code !== 'unavailable') return true;
  if (cause instanceof ClerkRefusal) return cause.status < 500 && cause.status !== 408;
  return [NotAsked, BrokenCircuitError, BulkheadRejectedError].some((reason) => cause instanceof reason);
}

function refused(cause: ClerkRefusal): Problem {
  const { status, code = '' } = cause;
  const detail = CONFLICTS.get(code);
  if (detail) return new Problem('conflict', { detail, cause });
  if (status === 409) return new Problem('conflict', { cause });
  const errors = errorsOf(cause);
  // of a role that does not exist Clerk says "not found", too
  const isOfInput = status === 400 || status === 422 || (status === 404 && errors.some(({ pointer }) => pointer));
  if (isOfInput) return new Problem('invalid_input', { errors, cause });
  if (status === 404 && NOT_FOUND.has(code)) return new Problem('not_found', { cause });
  return new Problem('unavailable', { cause });
}

function errorsOf({ reasons }: ClerkRefusal): InputError[] {
  return reasons.slice(0, MAX_ERRORS).map(({ parameter = '' }) => ({
    pointer: POINTERS.get(parameter) ?? '',
    detail: 'Not accepted by Clerk',
  }));
}
