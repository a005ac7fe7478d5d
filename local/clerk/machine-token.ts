import { newTokenRow, type TokenRow } from './token-book.ts';

/** Clerk's default of a machine. */
const LIFETIME_S = 3600;
const NOT_BEFORE_S = 10;

/** What tells the JWT of a machine from that of a session. */
export const MACHINE_JWT = { cat: 'cl_B7d4PD333AAA' };

/** An M2M token in the shape of Clerk's Backend API (2026-05-12), but for `expired`. */
export interface MachineTokenRow extends TokenRow {
  object: 'machine_to_machine_token';
  claims: object | null;
  last_used_at: number | null;
}

export type MachineTokenFacts = Pick<MachineTokenRow, 'subject' | 'scopes'> & {
  claims?: object;
  seconds_until_expiration?: number;
};

/** A token of the machine `subject`, meant for the machines in `scopes`. */
export function aMachineToken({ subject, scopes, claims, ...facts }: MachineTokenFacts): MachineTokenRow {
  return {
    object: 'machine_to_machine_token',
    ...newTokenRow('mt', facts.seconds_until_expiration ?? LIFETIME_S),
    subject,
    scopes,
    claims: claims ?? null,
    last_used_at: null,
  };
}

/** The same in the form of a JWT, in which its own claims stand beside Clerk's. */
export function machineClaims(issuer: string, { subject, scopes, claims, ...row }: MachineTokenRow): object {
  return { ...claims, iss: issuer, sub: subject, aud: scopes, scopes: scopes.join(' '), ...registeredClaims(row) };
}

/** In seconds. */
export function registeredClaims({ id, created_at, expiration }: Pick<TokenRow, 'id' | 'created_at' | 'expiration'>) {
  const iat = Math.floor(created_at / 1000);
  return { jti: id, iat, nbf: iat - NOT_BEFORE_S, exp: expiration && Math.floor(expiration / 1000) };
}
