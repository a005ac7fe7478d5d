import { EntityManager } from '@mikro-orm/postgresql';
import { Injectable } from '@nestjs/common';
import { Revocations, type SessionPrincipal } from '../auth/index.ts';
import { ClerkId, type ClerkSession, ClerkSessions, clerkDeadline, dateOf } from '../clerk/index.ts';
import { transaction } from '../database/index.ts';
import { Problem } from '../http/index.ts';
import type { Sessions } from './sessions.schemas.ts';

/** The caller's sessions: Clerk has them, we only know which are over. */
@Injectable()
export class SessionsService {
  constructor(
    private readonly em: EntityManager,
    private readonly clerk: ClerkSessions,
    private readonly revocations: Revocations,
  ) {}

  async list({ clerkUserId, sessionId }: SessionPrincipal): Promise<Sessions> {
    const sessions = await this.clerk.list(clerkUserId);
    return { data: sessions.map((session) => toView(session, sessionId)), nextCursor: null };
  }

  /** Throws `not_found` for a session that is not the caller's. One that has ended already stays so. */
  async revoke({ clerkUserId }: SessionPrincipal, id: string): Promise<void> {
    const until = clerkDeadline();
    const session = ClerkId.safeParse(id).success ? await this.clerk.get(id, until) : undefined;
    if (session?.user_id !== clerkUserId) throw new Problem('not_found');
    await this.clerk.revoke(session.id, until);
    await transaction(this.em.fork(), (em) => this.revocations.revokeSession(em, session.id));
  }
}

function toView(session: ClerkSession, currentId: string): Sessions['data'][number] {
  const activity = session.latest_activity;
  return {
    id: session.id,
    isCurrent: session.id === currentId,
    device: activity?.device_type ?? null,
    browser: activity?.browser_name ?? null,
    city: activity?.city ?? null,
    country: activity?.country ?? null,
    lastActiveAt: dateOf(session.last_active_at),
    createdAt: dateOf(session.created_at),
    expiresAt: dateOf(session.expire_at),
  };
}
