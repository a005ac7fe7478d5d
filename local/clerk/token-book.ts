import { createHash } from 'node:crypto';
import { notFound } from './answers.ts';
import { newTokenId, type TokenKind } from './ids.ts';

/** What API keys, M2M tokens and OAuth tokens have in common; times in milliseconds. */
export interface TokenRow {
  id: string;
  subject: string;
  scopes: string[];
  revoked: boolean;
  revocation_reason: string | null;
  /** Null: never. */
  expiration: number | null;
  created_at: number;
  updated_at: number;
}

/** A token as Clerk shows it. */
export type Shown<T extends TokenRow> = T & { expired: boolean };

/** The tokens of one kind by their id, and by their secret, of which only the digest is kept. */
export class TokenBook<T extends TokenRow> {
  readonly #name: string;
  readonly #rows = new Map<string, T>();
  readonly #ids = new Map<string, string>();

  constructor(name: string) {
    this.#name = name;
  }

  add(row: T, secret: string): void {
    this.#rows.set(row.id, row);
    this.#ids.set(digestOf(secret), row.id);
  }

  get(id: string): Shown<T> {
    return shown(this.#row(id));
  }

  /** Also one that is revoked or expired, which the answer says. */
  withSecret(secret: string): Shown<T> {
    return this.get(this.#ids.get(digestOf(secret)) ?? '');
  }

  /** Newest first. */
  list(matches: (token: Shown<T>) => boolean): Shown<T>[] {
    return [...this.#rows.values()].toReversed().map(shown).filter(matches);
  }

  /** One that is revoked stays as it is. */
  revoke(id: string, reason: string | null = null): Shown<T> {
    return this.#row(id).revoked ? this.get(id) : this.#change(id, { revoked: true, revocation_reason: reason });
  }

  /** As if its time were over. */
  expire(id: string): Shown<T> {
    return this.#change(id, { expiration: Date.now() });
  }

  remove(id: string): void {
    this.#rows.delete(this.#row(id).id);
  }

  protected unknown() {
    return notFound(`${this.#name} not found`);
  }

  #change(id: string, facts: Partial<TokenRow>): Shown<T> {
    const row = this.#row(id);
    return shown(Object.assign(row, { ...facts, updated_at: Math.max(Date.now(), row.updated_at + 1) }));
  }

  #row(id: string): T {
    const row = this.#rows.get(id);
    if (!row) throw this.unknown();
    return row;
  }
}

/** What a token begins with. */
export function newTokenRow(kind: TokenKind, seconds?: number) {
  const now = Date.now();
  return {
    id: newTokenId(kind),
    revoked: false,
    revocation_reason: null,
    expiration: seconds === undefined ? null : now + seconds * 1000,
    created_at: now,
    updated_at: now,
  };
}

export function shown<T extends TokenRow>(row: T): Shown<T> {
  return { ...row, expired: row.expiration !== null && row.expiration <= Date.now() };
}

function digestOf(secret: string): string {
  return createHash('sha256').update(secret).digest('hex');
}
