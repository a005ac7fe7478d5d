import { createHash, randomBytes, randomInt } from 'node:crypto';

const ALPHABET = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
const LENGTH = 27;
const SECRET_LENGTH = 32;

export type TokenKind = 'ak' | 'mt' | 'oat';

type Kind = 'user' | 'sess' | 'client' | 'msg' | 'org' | 'orgmem' | 'orginv' | 'mch';
type BillingKind = 'subi' | 'pa' | 'cpa' | 'stmt' | 'inv' | 'pi';

/** A new id as Clerk and Svix make them: `user_…`, `org_…`, `msg_…`. */
export function newId(kind: Kind | BillingKind): string {
  return `${kind}_${randomText(LENGTH)}`;
}

/** The same after a restart: a database that outlived it knows the thing. */
export function derivedId(kind: 'orgmem' | 'cpayer' | 'csub' | 'subi' | 'cps', from: string): string {
  return `${kind}_${createHash('sha256').update(from).digest('hex').slice(0, LENGTH)}`;
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
