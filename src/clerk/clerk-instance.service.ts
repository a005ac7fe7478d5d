import { EntityManager } from '@mikro-orm/postgresql';
import { type BeforeApplicationShutdown, Inject, Injectable, Logger } from '@nestjs/common';
import { SETTINGS, type Settings } from '../config/index.ts';
import { DatabaseStartup } from '../database/index.ts';
import { ClerkApi } from './clerk-api.service.ts';
import { Instance } from './instance.entity.ts';

const RETRY_MS = 60_000;

/**
 * Which instance of Clerk is ours: configured, else asked of its Backend API once and kept in the database. Never learned
 * from an event: Clerk's own examples name foreign ones.
 */
@Injectable()
export class ClerkInstance implements BeforeApplicationShutdown {
  readonly #logger = new Logger(ClerkInstance.name);
  readonly #issuer: string;
  #id: string | undefined;
  #timer: NodeJS.Timeout | undefined;
  #asking: Promise<void> | undefined;
  #stopped = false;

  constructor(
    private readonly api: ClerkApi,
    private readonly em: EntityManager,
    startup: DatabaseStartup,
    @Inject(SETTINGS) { clerk }: Settings,
  ) {
    this.#issuer = clerk.issuers[0] ?? '';
    this.#id = clerk.instanceId;
    if (!this.#id) startup.beforeReady(() => this.#start());
  }

  /** Undefined while it is not known. */
  get id(): string | undefined {
    return this.#id;
  }

  /** What is being asked is kept while the database is still open. */
  async beforeApplicationShutdown(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#timer);
    await this.#asking;
  }

  async #start(): Promise<void> {
    this.#id ??= (await this.em.fork().findOne(Instance, { issuer: this.#issuer }))?.clerkId;
    if (!this.#id) this.#asking ??= this.#ask();
  }

  /** In the background: nothing waits for Clerk. */
  async #ask(): Promise<void> {
    try {
      const clerkId = await this.api.instanceId();
      await this.em.fork().upsert(Instance, { issuer: this.#issuer, clerkId });
      this.#id = clerkId;
    } catch (error) {
      this.#logger.warn(
        `cannot ask Clerk which instance is ours, events of any are taken: ${(error as Error).message}`,
      );
      if (!this.#stopped) this.#timer = setTimeout(() => void (this.#asking = this.#ask()), RETRY_MS).unref();
    }
  }
}
