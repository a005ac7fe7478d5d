import { createHash } from 'node:crypto';
import type { Request } from 'express';
import { Problem } from '../http/index.ts';

const COOKIE = '__session';

export interface PresentedToken {
  token: string;
  /** A browser sends a cookie unasked, so it proves less than a header. */
  from: 'header' | 'cookie';
}

/** The names of Clerk's session cookie: with our key's suffix first (@clerk/shared, keys: base64url of SHA-1, 8 characters). */
export function cookieNames(publishableKey: string | undefined): string[] {
  if (!publishableKey) return [COOKIE];
  const suffix = createHash('sha1').update(publishableKey).digest('base64url').slice(0, 8);
  return [`${COOKIE}_${suffix}`, COOKIE];
}

/** The token of the Authorization header (RFC 6750; the scheme in any case). */
export function headerToken(header: string): PresentedToken {
  const [scheme = '', token, ...rest] = header.trim().split(/ +/);
  if (scheme === '' || (token && scheme.toLowerCase() !== 'bearer')) throw new Problem('token_missing');
  if (!token || rest.length > 0) throw new Problem('token_invalid');
  return { token, from: 'header' };
}

/** The token of the session cookie, from callers of the same origin alone; undefined when there is none. */
export function cookieToken(request: Request, names: string[], parties: string[]): PresentedToken | undefined {
  const values = names.map((name) => valuesOf(request.headers.cookie ?? '', name)).find((found) => found.length > 0);
  const [token] = values ?? [];
  if (!token) return undefined;
  if (new Set(values).size > 1 || isForeign(request, parties)) throw new Problem('token_invalid');
  return { token, from: 'cookie' };
}

function valuesOf(header: string, name: string): string[] {
  return header
    .split(';')
    .map((pair) => pair.trim())
    .filter((pair) => pair.startsWith(`${name}=`))
    .map((pair) => pair.slice(name.length + 1));
}

/** By the browser's own verdict (Fetch Metadata) where there is one, and by an Origin that is neither ours nor listed. */
function isForeign(request: Request, parties: string[]): boolean {
  const site = request.headers['sec-fetch-site'];
  if (site !== undefined && site !== 'same-origin' && site !== 'none') return true;
  const { origin } = request.headers;
  return origin !== undefined && origin !== `${request.protocol}://${request.host}` && !parties.includes(origin);
}
