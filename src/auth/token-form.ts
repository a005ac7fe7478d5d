import { type Refusal, refuse } from './verdict.ts';

export const MAX_TOKEN_BYTES = 8192;

/** Clerk's token categories (@clerk/backend, tokens/jwtCategories): a session's, and one that means nothing. */
const SESSION_CATEGORIES = ['cl_B7d4PD111AAA', 'cl_I7d4PD111III'];
const MACHINE_PREFIXES = ['ak_', 'mt_', 'oat_'];
const OAUTH_TYPES = ['at+jwt', 'application/at+jwt'];

/** The key id in the header of what has the form of a session token, else the refusal; no key is touched. */
export function readKeyId(token: string): { kid: string } | Refusal {
  if (MACHINE_PREFIXES.some((prefix) => token.startsWith(prefix))) return refuse('token_type_not_accepted');
  const parts = token.split('.', 4);
  if (parts.length !== 3 || !parts.every(isCanonical)) return refuse('token_invalid');
  const header = parseObject(Buffer.from(parts[0] ?? '', 'base64url'));
  return header ? keyIdOf(header) : refuse('token_invalid');
}

/** A JSON object in UTF-8, or undefined. */
export function parseObject(bytes: Uint8Array): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(UTF8.decode(bytes));
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? (value as Record<string, unknown>)
      : undefined;
  } catch {
    return undefined;
  }
}

const UTF8 = new TextDecoder('utf-8', { fatal: true });

/**
 * RFC 8725: one algorithm, and nothing in the header is obeyed but `kid`. `crit` names what must be understood, and we
 * understand none of it (RFC 7515, section 4.1.11).
 */
function keyIdOf({ alg, typ, cat, kid, crit }: Record<string, unknown>): { kid: string } | Refusal {
  if (typeof typ === 'string' && OAUTH_TYPES.includes(typ.toLowerCase())) return refuse('token_type_not_accepted');
  const isSession = cat === undefined || (typeof cat === 'string' && SESSION_CATEGORIES.includes(cat));
  if (alg !== 'RS256' || (typ !== undefined && typ !== 'JWT') || !isSession) return refuse('token_invalid');
  if (typeof kid !== 'string' || kid === '' || crit !== undefined) return refuse('token_invalid');
  return { kid };
}

/** Base64url without padding or stray bits: otherwise one token could be written in several ways. */
function isCanonical(part: string): boolean {
  return part !== '' && Buffer.from(part, 'base64url').toString('base64url') === part;
}
