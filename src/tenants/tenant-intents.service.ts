import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { EntityManager } from '@mikro-orm/postgresql';
import { Injectable } from '@nestjs/common';
import { Pruning } from '../database/index.ts';
import { Problem } from '../http/index.ts';

/** Longer than a creation takes with Clerk, and than its event takes where the answer was lost. */
const LAPSE_S = 20;
const POLL_MS = 50;

/**
 * The creation of a tenant that a user has under way, in whichever process: one at a time, so that each counts what those before
 * it have made. A row stands for it instead of a lock, since no transaction is open while Clerk is asked; that of a process which
 * was killed lapses.
 */
@Injectable()
export class TenantIntents {
  constructor(
    private readonly em: EntityManager,
    pruning: Pruning,
  ) {
    pruning.forget('tenant_intents', 'lapses_at < now()');
  }

  /** Waits while another is under way, until that time of the process at most; then throws `unavailable`. Answers its id. */
  async begin(userId: string, until: number): Promise<string> {
    const id = randomUUID();
    for (;;) {
      if (performance.now() > until) throw new Problem('unavailable');
      const begun = await this.em.fork().execute<unknown[]>(BEGIN, [userId, id, LAPSE_S]);
      if (begun.length > 0) return id;
      await sleep(POLL_MS);
    }
  }

  /** Leaves alone the one that came after it lapsed. */
  async end(em: EntityManager, id: string): Promise<void> {
    await em.execute('delete from tenant_intents where id = ?', [id]);
  }
}

const BEGIN = `
insert into tenant_intents as stored (user_id, id, lapses_at) values (?, ?, now() + make_interval(secs => ?))
on conflict (user_id) do update set id = excluded.id, lapses_at = excluded.lapses_at
where stored.lapses_at <= now()
returning 1`;
