import { unprocessable } from './answers.ts';
import type { Directory } from './directory.ts';
import { newSecret } from './ids.ts';
import { newTokenRow, type Shown, shown, TokenBook, type TokenRow } from './token-book.ts';

/** An API key in the shape of Clerk's Backend API (2026-05-12), but for `expired`. */
export interface ApiKeyRow extends TokenRow {
  object: 'api_key';
  type: 'api_key';
  name: string;
  description: string | null;
  claims: object | null;
  created_by: string | null;
  last_used_at: number | null;
}

export type NewApiKey = Pick<ApiKeyRow, 'name' | 'subject'> &
  Partial<Pick<ApiKeyRow, 'scopes'>> & {
    description?: string;
    claims?: object;
    created_by?: string;
    seconds_until_expiration?: number;
  };

/** The API keys of users and organizations, and what can be done to them. */
export class ApiKeys extends TokenBook<ApiKeyRow> {
  readonly #directory: Directory;

  constructor(directory: Directory) {
    super('API key');
    this.#directory = directory;
  }

  /** The only answer with the secret. */
  create(facts: NewApiKey): Shown<ApiKeyRow> & { secret: string } {
    this.#refuseUnknown(facts.subject);
    const row = anApiKey(facts);
    const secret = newSecret('ak');
    this.add(row, secret);
    return { ...shown(row), secret };
  }

  delete(id: string): object {
    this.remove(id);
    return { object: 'api_key', id, deleted: true };
  }

  /** Who is gone leaves nothing that opens a door. */
  revokeAllOf(subject: string): void {
    for (const { id } of this.list((key) => key.subject === subject)) this.revoke(id);
  }

  #refuseUnknown(subject: string): void {
    if (subject.startsWith('user_')) this.#directory.user(subject);
    else if (subject.startsWith('org_')) this.#directory.organizations.get(subject);
    else if (!/^mch_\w+$/.test(subject))
      throw unprocessable('form_param_format_invalid', 'subject', 'must be a user, an organization or a machine');
  }
}

function anApiKey({ name, subject, scopes = [], seconds_until_expiration: seconds, ...facts }: NewApiKey): ApiKeyRow {
  return {
    object: 'api_key',
    type: 'api_key',
    ...newTokenRow('ak', seconds),
    name,
    subject,
    scopes,
    description: facts.description ?? null,
    claims: facts.claims ?? null,
    created_by: facts.created_by ?? null,
    last_used_at: null,
  };
}
