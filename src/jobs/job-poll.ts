import type { PgBoss } from 'pg-boss';

const POLL_MS = 500;

const READY = `
  select asked.name from unnest($1::text[]) as asked (name) where exists (
    select from pgboss.job
    where job.name = asked.name and state in ('created', 'retry') and not blocked and start_after <= now())`;

/**
 * Wakes the workers that have something to do, with one question for all of them twice a second: each worker of pg-boss
 * would ask for its own jobs as often. Works through any pooler, where LISTEN does not.
 */
export class JobPoll {
  readonly #workers = new Map<string, string>();
  #timer: NodeJS.Timeout | undefined;
  #isStopped = false;

  constructor(
    private readonly boss: PgBoss,
    private readonly on: { success: () => void; error: (error: Error) => void },
  ) {}

  has(name: string): boolean {
    return this.#workers.has(name);
  }

  add(name: string, worker: string): void {
    this.#workers.set(name, worker);
  }

  /** The worker of that name asks now, or as soon as it is done. */
  wake(name: string): void {
    this.boss.notifyWorker(this.#workers.get(name) ?? '');
  }

  start(): void {
    clearTimeout(this.#timer);
    if (!this.#isStopped) this.#timer = setTimeout(() => void this.#ask(), POLL_MS).unref();
  }

  stop(): void {
    this.#isStopped = true;
    clearTimeout(this.#timer);
  }

  async #ask(): Promise<void> {
    try {
      const { rows } = await this.boss.getDb().executeSql(READY, [[...this.#workers.keys()]]);
      for (const { name } of rows as { name: string }[]) this.wake(name);
      this.on.success();
    } catch (error) {
      if (!this.#isStopped) this.on.error(error as Error);
    } finally {
      this.start();
    }
  }
}
