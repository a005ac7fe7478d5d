import { Inject, Injectable } from '@nestjs/common';
import { Pace, tenthOfLimit } from '../clerk/index.ts';
import { SETTINGS, type Settings } from '../config/index.ts';
import { Failures, rateLimited } from '../http/index.ts';

const MAX_FAILURES = 30;
const AT_ONCE = 0.5;

/**
 * Admits those whose token nobody has verified yet: whoever makes tokens up takes no more than a tenth of Clerk's limit from
 * who has one.
 */
@Injectable()
export class Newcomers {
  readonly #failures = new Failures(MAX_FAILURES);
  readonly #pace: Pace;

  constructor(@Inject(SETTINGS) { clerk }: Settings) {
    this.#pace = new Pace(tenthOfLimit(clerk.secretKey), AT_ONCE);
  }

  /** Throws `rate_limited` for an address that failed too often. */
  admit(address: string): void {
    const refusal = this.#failures.refusalOf(address);
    if (refusal) throw refusal;
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
