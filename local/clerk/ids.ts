import { randomBytes, randomInt } from 'node:crypto';

const ALPHABET = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
const LENGTH = 27;
const SECRET_LENGTH = 32;

export type TokenKind = 'ak' | 'mt' | 'oat';

/** A new id as Clerk and Svix make them: `user_…`, `org_…`, `msg_…`. */
export function newId(kind: 'user' | 'sess' | 'client' | 'msg' | 'org' | 'orgmem' | 'orginv' | 'mch'): string {
  return `${kind}_${randomText(LENGTH)}`;
}

/** A new id of a machine token, which is no secret. */
export function newTokenId(kind: TokenKind): string {
  return `${kind}_${randomBytes(16).toString('hex')}`;
}

/** A new secret of a machine token. */
export function newSecret(kind: TokenKind): string {
  return `${kind}_${randomText(SECRET_LENGTH)}`;
}

function randomText(length: number): string {
  return Array.from({ length }, () => ALPHABET[randomInt(ALPHABET.length)]).join('');
}
