import { DeadlockException } from '@mikro-orm/core';
import type { EntityManager } from '@mikro-orm/postgresql';

const MAX_ATTEMPTS = 5;

/**
 * Runs one use case in one transaction. A deadlock or a serialization failure (SQLSTATE 40P01, 40001) is tried again;
 * so `work` touches nothing but the database.
 */
export async function transaction<T>(em: EntityManager, work: (em: EntityManager) => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await em.transactional(work);
    } catch (error) {
      if (!(error instanceof DeadlockException) || attempt === MAX_ATTEMPTS) throw error;
    }
  }
}
