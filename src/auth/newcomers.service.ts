import { Inject, Injectable } from '@nestjs/common';
import { Pace, partOfLimit } from '../clerk/index.ts';
import { SETTINGS, type Settings } from '../config/index.ts';
import { Failures, rateLimited } from '../http/index.ts';

const MAX_FAILURES = 30;
/** Of Clerk's limit: whoever makes up tokens takes no more of it from who has one. */
const PART_OF_LIMIT = 0.1;
const AT_ONCE = 0.5;

/** Lets those in by and by whose token nobody has verified yet. */
@Injectable()
export class Newcomers {
  readonly #failures = new Failures();
  readonly #pace: Pace;

  constructor(@Inject(SETTINGS) { clerk }: Settings) {
    this.#pace = new Pace(partOfLimit(clerk.secretKey, PART_OF_LIMIT), AT_ONCE);
  }

  /** Throws `rate_limited` for an address that failed too often. */
  admit(address: string): void {
    if (this.#failures.of(address) >= MAX_FAILURES) throw rateLimited(Failures.WINDOW_MS);
  }

  /** As `admit`; throws it also when this process has asked Clerk about as many newcomers as it may. */
  admitToClerk(address: string): void {
    this.admit(address);
    const waitMs = this.#pace.takeOrWait();
    if (waitMs > 0) throw rateLimited(waitMs);
  }

  failed(address: string): void {
    this.#failures.add(address);
  }
}
