import { isClerkAPIResponseError } from '@clerk/backend/errors';
import { TaskCancelledError } from 'cockatiel';
import { ZodError } from 'zod';
import { ClerkRefusal } from './clerk-refusal.ts';

const REASONS: [RegExp, string][] = [
  [/ENOTFOUND|EAI_AGAIN/, 'DNS'],
  [/CERT|SSL|TLS|SIGNATURE|ISSUER/, 'TLS'],
  [/ECONNREFUSED/, 'connection refused'],
  [/TIMEOUT|ETIMEDOUT/, 'time-out'],
  [/ECONNRESET|EPIPE|UND_ERR_SOCKET/, 'connection closed'],
];

/** Whether the failure speaks of Clerk as a whole: no answer at all, 408, or 5xx. An answer that cannot be read does not. */
export function isOutage(error: unknown): boolean {
  if (isUnreadable(error)) return false;
  if (error instanceof ClerkRefusal) return isOutageStatus(error.status);
  if (isClerkAPIResponseError(error)) return isOutageStatus(error.status);
  return true;
}

/** By its name: a parser may be of another realm than this class. */
export function isUnreadable(error: unknown): boolean {
  return error instanceof ZodError || (error as Error).name === 'SyntaxError';
}

/** The SDK gives no status where nobody answered. */
function isOutageStatus(status: number | undefined): boolean {
  return status === undefined || status === 408 || status >= 500;
}

/** Why there was no answer, for an operator. Holds no secret: of the address at most the host's name. */
export function outageReason(error: unknown): string {
  if (error instanceof ClerkRefusal) return `status ${error.status}`;
  if (isClerkAPIResponseError(error) && error.status) return `status ${error.status}`;
  const { name, message, cause } = error as Error & { cause?: NodeJS.ErrnoException };
  if (name === 'TimeoutError' || error instanceof TaskCancelledError) return 'time-out';
  const reason = cause?.code ?? cause?.message ?? (isClerkAPIResponseError(error) ? error.errors[0]?.message : message);
  const kind = REASONS.find(([pattern]) => pattern.test(cause?.code ?? ''))?.[1];
  return kind ? `${kind} (${reason})` : (reason ?? name);
}
