import { Injectable } from '@nestjs/common';
import { z } from 'zod';
import { Problem } from '../http/index.ts';
import { ClerkApiKey } from './clerk-api-key.schema.ts';
import { ClerkCalls } from './clerk-calls.service.ts';
import { clerkPath, queryOf } from './clerk-http.ts';
import { ClerkRefusal } from './clerk-refusal.ts';

const ApiKeys = z.object({ data: z.array(ClerkApiKey), total_count: z.number() });

/** API keys at Clerk. Throws the Problems of ClerkCalls; who calls this has checked whose the key is. */
@Injectable()
export class ClerkApiKeys {
  constructor(private readonly calls: ClerkCalls) {}

  /** Those of a user or an organization that are good, the latest first. */
  async list(subject: string, page: { limit: number; offset: number }): Promise<z.infer<typeof ApiKeys>> {
    return this.calls.send(ApiKeys, { path: `/api_keys?${queryOf({ subject, ...page })}` });
  }

  /** Of whomever, good or not; undefined when there is none of that id. */
  async get(id: string, until?: number): Promise<ClerkApiKey | undefined> {
    try {
      return await this.calls.send(ClerkApiKey, { path: clerkPath`/api_keys/${id}` }, until);
    } catch (error) {
      if (error instanceof Problem && isAbsent(error)) return undefined;
      throw error;
    }
  }

  async revoke(id: string, until?: number): Promise<ClerkApiKey> {
    return this.calls.send(ClerkApiKey, { method: 'POST', path: clerkPath`/api_keys/${id}/revoke`, body: {} }, until);
  }
}

/** Clerk publishes the status, and no code. */
function isAbsent({ code, cause }: Problem): boolean {
  return code === 'not_found' || (cause instanceof ClerkRefusal && cause.isFinal && cause.status === 404);
}
