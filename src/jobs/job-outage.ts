import type { Logger } from '@nestjs/common';
import { isDatabaseUnavailable, safeMessage } from '../database/index.ts';

/** Says once that the database is away, and once that it is back; any other error each time. */
export class JobOutage {
  readonly #logger: Logger;
  #isOn = false;

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  /** pg-boss emits copies of errors, which are none. */
  noted(error: Error): void {
    const copy = Object.assign(new Error(error.message), error);
    const message = safeMessage(copy);
    const isOutage = isDatabaseUnavailable(copy);
    if (!isOutage) this.#logger.error(message);
    else if (!this.#isOn) this.#logger.warn(`No job runs while the database is away: ${message}`);
    this.#isOn ||= isOutage;
  }

  ended(): void {
    if (this.#isOn) this.#logger.log('Jobs run again');
    this.#isOn = false;
  }
}
