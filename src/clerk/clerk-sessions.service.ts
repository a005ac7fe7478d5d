import { Injectable, Logger } from '@nestjs/common';
import { z } from 'zod';
import { Problem } from '../http/index.ts';
import { ClerkCalls } from './clerk-calls.service.ts';
import { clerkPath, queryOf } from './clerk-http.ts';
import { ClerkSession } from './clerk-session.schema.ts';
import { readable, sortOut } from './readable.ts';

/** More than anybody has; Clerk gives 10 where nothing is said. */
const MAX_SESSIONS = 100;

/** Whose it is; one whose rest cannot be read can be ended all the same. */
const Owned = ClerkSession.pick({ id: true, user_id: true });

/**
 * Sessions at Clerk. Who calls more than one method in a use case gives all of them the same `clerkDeadline()`. Throws the
 * Problems of ClerkCalls.
 */
@Injectable()
export class ClerkSessions {
  readonly #logger = new Logger(ClerkSessions.name);

  constructor(private readonly calls: ClerkCalls) {}

  /** Those that are active and can be read, at most 100. */
  async list(userId: string, until?: number): Promise<ClerkSession[]> {
    const path = `/sessions?${queryOf({ user_id: userId, status: 'active', limit: MAX_SESSIONS })}`;
    const { items, unreadable } = sortOut(await this.calls.send(z.array(readable(ClerkSession)), { path }, until));
    if (unreadable.length > 0)
      this.#logger.warn(`Sessions left out, because Clerk's answer cannot be read: ${unreadable.join(', ')}`);
    return items;
  }

  /** Of whichever user and status; undefined when there is none of that id. */
  async get(id: string, until?: number): Promise<z.output<typeof Owned> | undefined> {
    try {
      return await this.calls.send(Owned, { path: clerkPath`/sessions/${id}` }, until);
    } catch (error) {
      if (error instanceof Problem && error.code === 'not_found') return undefined;
      throw error;
    }
  }

  /** Ends it, whosever it is: the caller has checked that. */
  async revoke(id: string, until?: number): Promise<unknown> {
    return this.calls.send(z.unknown(), { method: 'POST', path: clerkPath`/sessions/${id}/revoke`, body: {} }, until);
  }
}
