import { Injectable } from '@nestjs/common';
import { z } from 'zod';
import { Problem } from '../http/index.ts';
import { ClerkCalls } from './clerk-calls.service.ts';
import { clerkPath, queryOf } from './clerk-http.ts';
import { ClerkSession } from './clerk-session.schema.ts';

/** More than anybody has; Clerk gives 10 where nothing is said. */
const MAX_SESSIONS = 100;

/**
 * Sessions at Clerk. Who calls more than one method in a use case gives all of them the same `clerkDeadline()`. Throws the
 * Problems of ClerkCalls.
 */
@Injectable()
export class ClerkSessions {
  constructor(private readonly calls: ClerkCalls) {}

  /** Those that are active, at most 100. */
  async list(userId: string, until?: number): Promise<ClerkSession[]> {
    const path = `/sessions?${queryOf({ user_id: userId, status: 'active', limit: MAX_SESSIONS })}`;
    return this.calls.send(z.array(ClerkSession), { path }, until);
  }

  /** Of whichever user and status; undefined when there is none of that id. */
  async get(id: string, until?: number): Promise<ClerkSession | undefined> {
    try {
      return await this.calls.send(ClerkSession, { path: clerkPath`/sessions/${id}` }, until);
    } catch (error) {
      if (error instanceof Problem && error.code === 'not_found') return undefined;
      throw error;
    }
  }

  /** Ends it, whosever it is: the caller has checked that. */
  async revoke(id: string, until?: number): Promise<ClerkSession> {
    return this.calls.send(ClerkSession, { method: 'POST', path: clerkPath`/sessions/${id}/revoke`, body: {} }, until);
  }
}
