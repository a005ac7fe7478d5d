import { unverifiedHeaderOf, unverifiedPayloadOf } from './jws.ts';

/** The kinds of token that Clerk makes, by its own names (https://clerk.com/docs/reference/backend/authenticate-request). */
export const TOKEN_TYPES = ['session_token', 'api_key', 'm2m_token', 'oauth_token'] as const;

export type TokenType = (typeof TOKEN_TYPES)[number];
export type MachineTokenType = Exclude<TokenType, 'session_token'>;

const PREFIXES: readonly [prefix: string, type: MachineTokenType][] = [
  ['ak_', 'api_key'],
  ['mt_', 'm2m_token'],
  ['oat_', 'oauth_token'],
];
/** Of a JWT that is an access token (RFC 9068, section 2.1). */
const OAUTH_TYPES = ['at+jwt', 'application/at+jwt'];
const MACHINE = 'mch_';
/** At least as much as Clerk makes up, in its alphabet. */
const SECRET = /^[a-z]{2,3}_[\w-]{16,256}$/;

/**
 * What kind of token it is by its looks alone, which prove nothing. A JWT is looked into only where the route takes one of a
 * machine: whatever else it is counts as a session token.
 */
export function tokenTypeOf(token: string, accepted: readonly TokenType[]): TokenType {
  const known = machineTypeOf(token);
  if (known) return known;
  if (accepted.includes('oauth_token') && isOAuthType(unverifiedHeaderOf(token)?.typ)) return 'oauth_token';
  if (accepted.includes('m2m_token') && isMachine(unverifiedPayloadOf(token)?.sub)) return 'm2m_token';
  return 'session_token';
}

/** Of a machine's token that is no JWT, which only Clerk can read; undefined: it is none. */
export function machineTypeOf(token: string): MachineTokenType | undefined {
  return PREFIXES.find(([prefix]) => token.startsWith(prefix))?.[1];
}

/** Whether it may be such a token at all. */
export function isMachineSecret(token: string): boolean {
  return SECRET.test(token);
}

export function isOAuthType(typ: unknown): boolean {
  return typeof typ === 'string' && OAUTH_TYPES.includes(typ.toLowerCase());
}

/** Nobody has verified the payload yet: `sub` may be of any JSON type, also an object that String() throws at. */
function isMachine(sub: unknown): boolean {
  return typeof sub === 'string' && sub.startsWith(MACHINE);
}
