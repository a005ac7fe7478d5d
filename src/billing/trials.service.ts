import { EntityManager } from '@mikro-orm/postgresql';
import { Injectable } from '@nestjs/common';
import { Problem } from '../http/index.ts';
import { BillingProvider } from './billing-provider.ts';
import { askAgain, CALL_S } from './doubts.ts';
import { Entitlements } from './entitlements.service.ts';
import type { Payer } from './payer.ts';
import { noSubscription, SubscriptionReader } from './subscription-reader.service.ts';

const SECOND_MS = 1000;
const DAY_MS = 86_400_000;
/** By how much at once, as Clerk has it. */
const MAX_EXTENSION_DAYS = 365;

/** To a time, or by days from where the trial would end. */
export type Extension = Date | number;

/** Free trials, which an operator may extend: at the provider, whose word on them counts. */
@Injectable()
export class Trials {
  constructor(
    private readonly em: EntityManager,
    private readonly reader: SubscriptionReader,
    private readonly entitlements: Entitlements,
    private readonly provider: BillingProvider,
  ) {}

  /**
   * Answers when the trial ends now. Throws `not_found` without a subscription, `conflict` without a trial that gives access,
   * `invalid_input` for an end that is not 1 to 365 days after the present one, or else the provider's Problem.
   */
  async extend(payer: Payer, by: Extension): Promise<Date> {
    if (!(await this.reader.readNow(payer))) throw noSubscription();
    const trial = await this.#trialOf(payer);
    const until = endOf(trial.endsAt, by);
    // whatever becomes of this process, what the provider made of it is read
    await askAgain(this.em.fork(), payer, 'an extension', { afterS: CALL_S });
    try {
      await this.provider.extendTrial(trial.itemId, until);
    } catch (cause) {
      if (!(cause instanceof Problem && cause.code === 'unavailable')) throw cause;
      if (await this.#isExtended(payer, until)) return until;
      const detail = `Whether the trial is extended to ${until.toISOString()} is not known: see it with show, before you repeat this.`;
      throw new Problem('unavailable', { detail, cause });
    }
    await this.#readAgain(payer, until);
    return (await this.#trialOf(payer)).endsAt;
  }

  /** What was lost may have been its answer alone: who is told of a failure would extend the trial twice. */
  async #isExtended(payer: Payer, until: Date): Promise<boolean> {
    try {
      await this.reader.readNow(payer);
      return (await this.#trialOf(payer)).endsAt.getTime() > until.getTime() - SECOND_MS;
    } catch (error) {
      if (error instanceof Problem) return false;
      throw error;
    }
  }

  async #trialOf(payer: Payer): Promise<{ itemId: string; endsAt: Date }> {
    const { item, hasAccess } = (await this.entitlements.of(payer)).standing;
    if (!item?.isTrial || !item.periodEnd || !hasAccess)
      throw new Problem('conflict', { detail: 'There is no free trial that gives access.' });
    return { itemId: item.providerId, endsAt: item.periodEnd };
  }

  /** It is extended by now, whatever becomes of this. */
  async #readAgain(payer: Payer, until: Date): Promise<void> {
    try {
      await this.reader.readNow(payer);
    } catch (cause) {
      const detail = `The trial was extended to ${until.toISOString()}, and cannot be read now; the service will.`;
      throw new Problem('unavailable', { detail, cause });
    }
  }
}

function endOf(endsAt: Date, by: Extension): Date {
  const until = typeof by === 'number' ? new Date(endsAt.getTime() + by * DAY_MS) : by;
  const addedMs = until.getTime() - endsAt.getTime();
  if (addedMs <= 0 || addedMs > MAX_EXTENSION_DAYS * DAY_MS)
    throw new Problem('invalid_input', {
      detail: `The trial ends at ${endsAt.toISOString()}: extend it to a later time, by at most ${MAX_EXTENSION_DAYS} days.`,
    });
  return until;
}
