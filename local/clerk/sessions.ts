import { newId } from './ids.ts';

const LIFETIME_MS = 7 * 86_400_000;
const ABANDONED_AFTER_MS = 30 * 86_400_000;

/** How a session ends: by the user, by the user who also leaves the client, or by the Backend API. */
export type Ending = 'ended' | 'removed' | 'revoked';

/** A session in the shape of Clerk's Backend API (2026-05-12); times in milliseconds. */
export interface LocalSession {
  object: 'session';
  id: string;
  user_id: string;
  client_id: string;
  status: 'active' | Ending;
  actor: null;
  last_active_organization_id: string | null;
  last_active_at: number;
  expire_at: number;
  abandon_at: number;
  created_at: number;
  updated_at: number;
}

export class Sessions {
  readonly #sessions = new Map<string, LocalSession>();
  readonly #ofUser = new Map<string, LocalSession[]>();

  get(id: string): LocalSession | undefined {
    return this.#sessions.get(id);
  }

  /** Newest first. */
  list(userId?: string): LocalSession[] {
    return userId === undefined ? [...this.#sessions.values()].toReversed() : (this.#ofUser.get(userId) ?? []);
  }

  active(userId: string): LocalSession[] {
    return this.list(userId).filter(({ status }) => status === 'active');
  }

  start(userId: string): LocalSession {
    const now = Date.now();
    const session: LocalSession = {
      object: 'session',
      id: newId('sess'),
      user_id: userId,
      client_id: newId('client'),
      status: 'active',
      actor: null,
      last_active_organization_id: null,
      last_active_at: now,
      expire_at: now + LIFETIME_MS,
      abandon_at: now + ABANDONED_AFTER_MS,
      created_at: now,
      updated_at: now,
    };
    this.#sessions.set(session.id, session);
    this.#ofUser.set(userId, [session, ...this.list(userId)]);
    return session;
  }

  end(session: LocalSession, status: Ending): void {
    Object.assign(session, { status, updated_at: Math.max(Date.now(), session.updated_at + 1) });
  }

  /** What Clerk keeps of a deleted user: nothing. */
  forget(userId: string): void {
    for (const { id } of this.list(userId)) this.#sessions.delete(id);
    this.#ofUser.delete(userId);
  }
}
