import { headerOf, keyIdIn } from './jws.ts';
import { isOAuthType, machineTypeOf } from './token-type.ts';
import { type Refusal, refuse } from './verdict.ts';

export const MAX_TOKEN_BYTES = 8192;

/** Clerk's token categories (@clerk/backend, tokens/jwtCategories): a session's, and one that means nothing. */
const SESSION_CATEGORIES = ['cl_B7d4PD111AAA', 'cl_I7d4PD111III'];

/** The key id in the header of what has the form of a session token, else the refusal; no key is touched. */
export function readKeyId(token: string): { kid: string } | Refusal {
  if (machineTypeOf(token)) return refuse('token_type_not_accepted');
  const header = headerOf(token);
  if (!header) return refuse('token_invalid', 'malformed');
  if (isOAuthType(header.typ)) return refuse('token_type_not_accepted');
  const kid = keyIdIn(header);
  if (kid === undefined) return refuse('token_invalid', 'wrong_header');
  if (!isOfSession(header)) return refuse('token_invalid', 'wrong_category');
  return header.typ === undefined || header.typ === 'JWT' ? { kid } : refuse('token_invalid', 'wrong_type');
}

function isOfSession({ cat }: Record<string, unknown>): boolean {
  return cat === undefined || (typeof cat === 'string' && SESSION_CATEGORIES.includes(cat));
}
