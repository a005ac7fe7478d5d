import type { EntityManager } from '@mikro-orm/postgresql';
import { Injectable } from '@nestjs/common';
import { type ClerkEvent, InEventTransaction, OnClerkEvent } from '../clerk/index.ts';
import { factsOfUser } from './user-facts.ts';
import { UserMirror } from './user-mirror.service.ts';

type SessionEvent = ClerkEvent<'session.created' | 'session.ended' | 'session.removed' | 'session.revoked'>;

/** Keeps our copy of Clerk's users right, in whatever order their events come. */
@Injectable()
export class UserEvents {
  constructor(private readonly mirror: UserMirror) {}

  @InEventTransaction()
  @OnClerkEvent('user.created', 'user.updated')
  async change({ id, at, data }: ClerkEvent<'user.created' | 'user.updated'>, em: EntityManager) {
    await this.mirror.mirror(em, { ...factsOfUser(data, id), updatedAt: at });
  }

  @InEventTransaction()
  @OnClerkEvent('user.deleted')
  async delete({ id, at, data }: ClerkEvent<'user.deleted'>, em: EntityManager) {
    await this.mirror.delete(em, { clerkId: data.id, deletedAt: at, eventId: id });
  }

  /** The user inside a session's event is as good as its own `updated_at`: without one it is a claim. */
  @InEventTransaction()
  @OnClerkEvent('session.created', 'session.ended', 'session.removed', 'session.revoked')
  async meet({ id, data }: SessionEvent, em: EntityManager) {
    if (data.user) await this.mirror.mirror(em, factsOfUser(data.user, id));
  }
}
