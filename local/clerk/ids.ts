import { randomInt } from 'node:crypto';

const ALPHABET = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
const LENGTH = 27;

/** A new id as Clerk and Svix make them: `user_…`, `org_…`, `msg_…`. */
export function newId(kind: 'user' | 'sess' | 'client' | 'msg' | 'org' | 'orgmem' | 'orginv'): string {
  return `${kind}_${Array.from({ length: LENGTH }, () => ALPHABET[randomInt(ALPHABET.length)]).join('')}`;
}
