import { Injectable, Logger } from '@nestjs/common';
import { z } from 'zod';
import { Problem } from '../http/index.ts';
import { ClerkApiKey } from './clerk-api-key.schema.ts';
import { ClerkCalls } from './clerk-calls.service.ts';
import { clerkPath, queryOf } from './clerk-http.ts';
import { ClerkRefusal } from './clerk-refusal.ts';
import { readable, sortOut } from './readable.ts';

const ApiKeys = z.object({ data: z.array(readable(ClerkApiKey)), total_count: z.number() });

/** Whose it is; one whose rest cannot be read can be revoked all the same. */
const Owned = ClerkApiKey.pick({ id: true, subject: true, revoked: true });

/** API keys at Clerk. Throws the Problems of ClerkCalls; who calls this has checked whose the key is. */
@Injectable()
export class ClerkApiKeys {
  readonly #logger = new Logger(ClerkApiKeys.name);

  constructor(private readonly calls: ClerkCalls) {}

  /** A page of those of a user or an organization that are good and can be read, the latest first; `next`: where the next begins. */
  async list(
    subject: string,
    page: { limit: number; offset: number },
  ): Promise<{ keys: ClerkApiKey[]; next?: number }> {
    const path = `/api_keys?${queryOf({ subject, ...page })}`;
    const { data, total_count: count } = await this.calls.send(ApiKeys, { path });
    const { items: keys, unreadable } = sortOut(data);
    if (unreadable.length > 0)
      this.#logger.warn(`API keys left out, because Clerk's answer cannot be read: ${unreadable.join(', ')}`);
    const next = page.offset + data.length;
    return data.length > 0 && next < count ? { keys, next } : { keys };
  }

  /** Of whomever, good or not; undefined when there is none of that id. */
  async get(id: string, until?: number): Promise<z.output<typeof Owned> | undefined> {
    try {
      return await this.calls.send(Owned, { path: clerkPath`/api_keys/${id}` }, until);
    } catch (error) {
      if (error instanceof Problem && isAbsent(error)) return undefined;
      throw error;
    }
  }

  async revoke(id: string, until?: number): Promise<unknown> {
    return this.calls.send(z.unknown(), { method: 'POST', path: clerkPath`/api_keys/${id}/revoke`, body: {} }, until);
  }
}

/** Clerk publishes the status, and no code. */
function isAbsent({ code, cause }: Problem): boolean {
  return code === 'not_found' || (cause instanceof ClerkRefusal && cause.isFinal && cause.status === 404);
}
