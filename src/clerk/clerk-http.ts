import type { EntityManager } from '@mikro-orm/postgresql';
import type { Settings } from '../config/index.ts';
import { Problem } from '../http/index.ts';
import { ClerkRefusal } from './clerk-refusal.ts';
import { ClerkId } from './clerk-values.schema.ts';

const VERSION = '2026-05-12';

export interface ClerkCall {
  method?: 'GET' | 'POST' | 'PATCH' | 'DELETE';
  /** Below /v1, with its query. */
  path: string;
  body?: object;
  /** What the call is for: a request of somebody's, unless it says otherwise. */
  purpose?: 'profile';
}

/** One call to Clerk's Backend API with the secret key. Not through the SDK, whose calls cannot be ended. */
export class ClerkHttp {
  /** Names the other end to an operator. */
  readonly host: string;
  readonly #url: string;
  readonly #headers: Record<string, string>;

  constructor({ clerk }: Settings) {
    this.host = new URL(clerk.apiUrl).host;
    this.#url = `${clerk.apiUrl}/v1`;
    this.#headers = { authorization: `Bearer ${clerk.secretKey}`, 'clerk-api-version': VERSION };
  }

  /** The JSON of the answer. Throws a ClerkRefusal, or why there was no answer; an aborted call ends its connection. */
  async send({ method = 'GET', path, body }: ClerkCall, signal: AbortSignal): Promise<unknown> {
    const headers = body ? { ...this.#headers, 'content-type': 'application/json' } : this.#headers;
    const sent = body ? JSON.stringify(body) : null;
    // a redirect is no answer of Clerk's, and would turn a POST into a GET
    const response = await fetch(`${this.#url}${path}`, { method, headers, body: sent, signal, redirect: 'manual' });
    if (!response.ok) throw await ClerkRefusal.of(response);
    return response.json();
  }
}

/**
 * A path with ids in it. Throws `not_found` for what is no id of Clerk's: a client may have sent it, and `../users` would
 * lead the secret key elsewhere.
 */
export function clerkPath(parts: TemplateStringsArray, ...ids: string[]): string {
  if (!ids.every((id) => ClerkId.safeParse(id).success)) throw new Problem('not_found');
  return String.raw(parts, ...ids);
}

/** Lists repeat their name; what is 0 is Clerk's default. */
export function queryOf(parameters: Record<string, string | number | string[]>): string {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(parameters))
    if (value !== 0) for (const each of [value].flat()) query.append(name, String(each));
  return query.toString();
}

/** A call would hold rows and a connection for as long as Clerk takes. */
export function refuseInTransaction(em: EntityManager): void {
  if (em.isInTransaction()) throw new Error('Clerk must not be called while a transaction is open');
}
