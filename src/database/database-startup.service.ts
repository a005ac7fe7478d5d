import { EntityManager, type Options } from '@mikro-orm/postgresql';
import { Inject, Injectable, Logger, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import { SETTINGS, type Settings } from '../config/index.ts';
import { ChangeLog } from './change-log.service.ts';
import { migrate, pendingMigrations } from './migrations.ts';
import { safeMessage } from './row-values.ts';

const RETRY_MS = 1000;

/** The ORM's options for the role that owns the tables. */
export const OWNER_OPTIONS = Symbol('OWNER_OPTIONS');

type Role = { bypasses: boolean; owns: boolean; waits_forever: boolean };

/** The runtime role would see every tenant's rows: the process must not serve. */
export class WrongRoleError extends Error {
  override readonly name = 'WrongRoleError';
}

/**
 * What must be true of the database before a request is served: it answers, the role is one that row policies bind,
 * no migration is pending, the change log is followed. Tried once a second until then, so that an absent database or a
 * pending migration is mended without a restart.
 */
@Injectable()
export class DatabaseStartup implements OnApplicationBootstrap, OnApplicationShutdown {
  readonly #logger = new Logger('Database');
  readonly #steps: (() => Promise<void>)[] = [];
  #waitingFor: string | undefined = 'the first connection';
  #logged: string | undefined;
  #hasWarned = false;
  #timer: NodeJS.Timeout | undefined;
  #stopped = false;

  constructor(
    private readonly em: EntityManager,
    private readonly changes: ChangeLog,
    @Inject(SETTINGS) private readonly settings: Settings,
    @Inject(OWNER_OPTIONS) private readonly ownerOptions: Options,
  ) {}

  /** What still stands in the way, in a sentence for the operator; undefined once ready. */
  get waitingFor(): string | undefined {
    return this.#waitingFor;
  }

  /** Adds a step that runs when the tables are there, before the first request is served. */
  beforeReady(step: () => Promise<void>): void {
    this.#steps.push(step);
  }

  async onApplicationBootstrap(): Promise<void> {
    await this.#attempt();
  }

  onApplicationShutdown(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
  }

  async #attempt(): Promise<void> {
    try {
      const pending = await this.#prepare();
      this.#wait(
        pending.length > 0
          ? `pending migrations: ${pending.join(', ')}; run node dist/src/commands/migrate.js up`
          : undefined,
      );
    } catch (error) {
      if (error instanceof WrongRoleError) throw error;
      this.#wait('the database, which does not answer as it should; the log says more', safeMessage(error));
    }
  }

  async #prepare(): Promise<string[]> {
    await this.#checkRole();
    if (!this.settings.production) await this.#migrate();
    const pending = await this.#pending();
    if (pending.length > 0) return pending;
    await this.changes.start();
    for (const step of this.#steps) await step();
    return [];
  }

  async #migrate(): Promise<void> {
    const applied = await migrate(this.ownerOptions);
    if (applied.length > 0) this.#logger.log(`Applied ${applied.join(', ')}`);
  }

  /** `reason` is public; what the driver said may name hosts and roles, so it is for the log alone. */
  #wait(reason: string | undefined, said = reason): void {
    if (said && said !== this.#logged) this.#logger.error(`Not ready, waiting for the database: ${said}`);
    if (!reason) this.#logger.log('Ready');
    this.#logged = said;
    this.#waitingFor = reason;
    if (reason && !this.#stopped) this.#timer = setTimeout(() => void this.#retry(), RETRY_MS);
  }

  async #retry(): Promise<void> {
    try {
      await this.#attempt();
    } catch (error) {
      this.#logger.fatal((error as Error).message);
      process.exit(1);
    }
  }

  async #checkRole(): Promise<void> {
    const [role] = await this.em.fork().execute<Role[]>(
      `select rolsuper or rolbypassrls as bypasses,
              exists (select from pg_tables where tableowner = current_user and schemaname = current_schema) as owns,
              current_setting('lock_timeout') = '0' as waits_forever
       from pg_roles where rolname = current_user`,
    );
    if (role?.bypasses !== false)
      throw new WrongRoleError(
        'DATABASE_URL: its role is superuser or BYPASSRLS, so row policies would not apply; use a plain role (docs/operations.md)',
      );
    if (this.#hasWarned) return;
    this.#hasWarned = true;
    if (role.owns)
      this.#logger.warn('DATABASE_URL: its role owns the tables; use a runtime role of its own (docs/operations.md)');
    if (role.waits_forever)
      this.#logger.warn('DATABASE_URL: its role has no lock_timeout; set the time-outs of docs/operations.md on it');
  }

  /** A table of migrations that is not there yet means that all are pending. */
  async #pending(): Promise<string[]> {
    const em = this.em.fork();
    const [table] = await em.execute<{ there: boolean }[]>(
      "select to_regclass('mikro_orm_migrations') is not null as there",
    );
    return pendingMigrations(async (sql) => (table?.there ? em.execute<{ name: string }[]>(sql) : []));
  }
}
