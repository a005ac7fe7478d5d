import { Injectable, Logger, type OnApplicationShutdown } from '@nestjs/common';
import { DatabaseStartup } from '../database/index.ts';
import { Problem } from '../http/index.ts';
import { Jobs } from '../jobs/index.ts';
import { Plans } from './plans.service.ts';

const RETRY_MS = 60_000;

/** Brings the plans in when the application starts, beside it: nobody waits for the provider. */
@Injectable()
export class PlansStart implements OnApplicationShutdown {
  readonly #logger = new Logger('Billing');
  #running: Promise<void> = Promise.resolve();
  #timer: NodeJS.Timeout | undefined;
  #isStopped = false;

  constructor(
    private readonly plans: Plans,
    startup: DatabaseStartup,
    jobs: Jobs,
  ) {
    startup.beforeReady(async () => {
      if (jobs.runsHere) this.#running = this.#bring();
    });
  }

  async onApplicationShutdown(): Promise<void> {
    this.#isStopped = true;
    clearTimeout(this.#timer);
    await this.#running;
  }

  async #bring(): Promise<void> {
    try {
      const { notAtProvider, notInBook } = await this.plans.mirror();
      for (const slug of notAtProvider)
        this.#logger.warn(`plan ${slug}: is in src/entitlements.ts, and the provider has no plan with that slug`);
      for (const slug of notInBook)
        this.#logger.warn(
          `plan ${slug}: is not in src/entitlements.ts; it gives the features that the provider lists, no meter, and any number of seats`,
        );
    } catch (error) {
      if (this.#isStopped) return;
      const { message, cause } = error as Error;
      if (error instanceof Problem && error.code === 'not_found')
        return this.#logger.warn(
          `there are no plans, billing may be off: ${(cause as Error | undefined)?.message ?? message}`,
        );
      this.#logger.warn(`cannot read the plans, trying again in a minute: ${message}`);
      this.#timer = setTimeout(() => {
        this.#running = this.#bring();
      }, RETRY_MS).unref();
    }
  }
}
