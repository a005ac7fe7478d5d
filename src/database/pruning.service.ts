import { EntityManager } from '@mikro-orm/postgresql';
import { Injectable } from '@nestjs/common';

const BATCH = 5000;
const MAX_BATCHES = 20;

/** What each table may forget, said by the room that it belongs to; the jobs room runs it on a schedule. */
@Injectable()
export class Pruning {
  readonly #conditions = new Map<string, string>();

  constructor(private readonly em: EntityManager) {}

  /** Rows of the table that meet the condition (SQL) are deleted some time after they do. */
  forget(table: string, condition: string): void {
    this.#conditions.set(table, condition);
  }

  /** Deletes what may be forgotten, in short statements of their own; one table that fails does not keep the others. */
  async run(): Promise<void> {
    const runs = await Promise.allSettled(
      [...this.#conditions].map(([table, condition]) => this.#prune(table, condition)),
    );
    const failed = runs.find((run) => run.status === 'rejected');
    if (failed) throw failed.reason as Error;
  }

  async #prune(table: string, condition: string): Promise<void> {
    for (let batch = 0; batch < MAX_BATCHES; batch++) {
      const deleted = await this.em
        .fork()
        .execute<unknown[]>(
          `delete from ${table} where ctid = any(array(select ctid from ${table} where ${condition} limit ${BATCH} for update skip locked)) returning 1`,
        );
      if (deleted.length < BATCH) return;
    }
  }
}
