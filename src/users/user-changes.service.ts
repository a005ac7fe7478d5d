import type { EventArgs, EventSubscriber } from '@mikro-orm/core';
import { EntityManager } from '@mikro-orm/postgresql';
import { Injectable } from '@nestjs/common';
import { ChangeLog } from '../database/index.ts';
import { User } from './user.entity.ts';

/** The topic of users in the change log; the key is Clerk's id. */
export const USER_CHANGED = 'user';

/** Announces every change that a flush saves, so that no handler that touches `@CurrentUser()` has to remember to. */
@Injectable()
export class UserChanges implements EventSubscriber<User> {
  constructor(
    em: EntityManager,
    private readonly changes: ChangeLog,
  ) {
    em.getEventManager().registerSubscriber(this);
  }

  getSubscribedEntities() {
    return [User];
  }

  async afterUpdate({ entity, em }: EventArgs<User>): Promise<void> {
    await this.changes.record(em as EntityManager, USER_CHANGED, entity.clerkId);
  }
}
