import type { EntityManager } from '@mikro-orm/postgresql';
import { Injectable } from '@nestjs/common';
import { type ClerkEvent, InEventTransaction, OnClerkEvent } from '../clerk/index.ts';
import { Revocations } from './revocations.service.ts';

/** A session that is over at Clerk is over here, whatever its last token still says. */
@Injectable()
export class SessionEvents {
  constructor(private readonly revocations: Revocations) {}

  @InEventTransaction()
  @OnClerkEvent('session.ended', 'session.removed', 'session.revoked')
  async revoke({ data }: ClerkEvent<'session.ended' | 'session.removed' | 'session.revoked'>, em: EntityManager) {
    await this.revocations.revokeSession(em, data.id);
  }
}
