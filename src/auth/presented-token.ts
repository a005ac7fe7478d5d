import { createHash } from 'node:crypto';
import type { Request } from 'express';
import { problemOf, refuse } from './verdict.ts';

const COOKIE = '__session';
const BEARER = /^bearer(?: |$)/i;
/** The name of a scheme that stands alone, as `Negotiate`; anything else that stands alone is a token without its scheme. */
const SCHEME = /^[a-z][a-z\d-]*$/i;

export interface SessionCookie {
  readonly name: string;
  readonly token: string;
}

/** The names of Clerk's session cookie: with our key's suffix first (@clerk/shared, keys: base64url of SHA-1, 8 characters). */
export function cookieNames(publishableKey: string | undefined): string[] {
  if (!publishableKey) return [COOKIE];
  const suffix = createHash('sha1').update(publishableKey).digest('base64url').slice(0, 8);
  return [`${COOKIE}_${suffix}`, COOKIE];
}

/**
 * The Bearer token of the Authorization header (RFC 6750; the scheme in any case); undefined: there is none. Other schemes are
 * not ours: a browser sends them by itself, as to a password gate in front of a staging site.
 */
export function headerToken(request: Request): string | undefined {
  const header = request.headers.authorization?.trim();
  if (header === undefined) return undefined;
  const bearer = BEARER.test(header) ? header : credentialsOf(request).find((each) => BEARER.test(each));
  if (bearer === undefined && header !== '' && !header.includes(' ') && !SCHEME.test(header))
    throw problemOf(refuse('token_invalid', 'malformed'));
  return bearer && tokenOf(bearer);
}

/** Of every Authorization line: Node shows only the first in `headers`, and whoever joins lines puts commas between. */
function credentialsOf({ headersDistinct }: Request): string[] {
  return (headersDistinct.authorization ?? []).flatMap((line) => line.split(',')).map((each) => each.trim());
}

function tokenOf(bearer: string): string {
  const [, token, ...rest] = bearer.split(/ +/);
  if (!token || rest.length > 0) throw problemOf(refuse('token_invalid', 'malformed'));
  return token;
}

/** The session cookies of a request in the order of the names, each token once. */
export function sessionCookies(request: Request, names: string[]): SessionCookie[] {
  const header = request.headers.cookie ?? '';
  const byToken = new Map<string, SessionCookie>();
  for (const name of names)
    for (const token of valuesOf(header, name))
      if (token !== '' && !byToken.has(token)) byToken.set(token, { name, token });
  return [...byToken.values()];
}

function valuesOf(header: string, name: string): string[] {
  return header
    .split(';')
    .map((pair) => pair.trim())
    .filter((pair) => pair.startsWith(`${name}=`))
    .map((pair) => pair.slice(name.length + 1));
}

/** By the browser's own verdict (Fetch Metadata) where there is one, and by an Origin that is neither ours nor listed. */
export function isForeign(request: Request, parties: string[]): boolean {
  const site = request.headers['sec-fetch-site'];
  if (site !== undefined && site !== 'same-origin' && site !== 'none') return true;
  const { origin } = request.headers;
  return origin !== undefined && origin !== `${request.protocol}://${request.host}` && !parties.includes(origin);
}
