import { Injectable, Logger } from '@nestjs/common';
import { z } from 'zod';
import { Problem } from '../http/index.ts';
import { ClerkCalls } from './clerk-calls.service.ts';
import { clerkPath, queryOf } from './clerk-http.ts';
import { ClerkPlan } from './clerk-plan.schema.ts';
import { ClerkRefusal } from './clerk-refusal.ts';
import { WholeClerkSubscription } from './clerk-subscription.schema.ts';
import { readable, sortOut, type Unreadable } from './readable.ts';

const PAGE = 100;
const MAX_PAGES = 20;

const Plans = z.looseObject({ data: z.array(readable(ClerkPlan)) });

/** Billing is off at Clerk, or there is no subscription. Clerk publishes no list of these codes. */
const WITHOUT_BILLING =
  /^(billing|commerce)_(is_)?(not_enabled|disabled|not_available)$|^subscription_not_found$|_subscription_not_found$/;

/**
 * Clerk Billing in the Backend API (https://clerk.com/docs/reference/backend-api/tag/billing), which Clerk calls experimental:
 * read leniently. Throws the Problems of ClerkCalls.
 */
@Injectable()
export class ClerkBilling {
  readonly #logger = new Logger(ClerkBilling.name);

  constructor(private readonly calls: ClerkCalls) {}

  /** Not whole: there are more than we read, or such as cannot be read. Throws `not_found` where Billing is off. */
  async plans(): Promise<{ plans: ClerkPlan[]; isWhole: boolean; unreadable: string[] }> {
    const read: (ClerkPlan | Unreadable)[] = [];
    let isLast = false;
    for (let page = 0; page < MAX_PAGES && !isLast; page++) {
      const query = queryOf({ limit: PAGE, offset: page * PAGE });
      const { data } = await this.#listed(`/billing/plans?${query}`);
      read.push(...data);
      isLast = data.length < PAGE;
    }
    const { items: plans, unreadable } = sortOut(read);
    if (unreadable.length > 0)
      this.#logger.warn(`Plans left as they are here, because Clerk's answer cannot be read: ${unreadable.join(', ')}`);
    return { plans, isWhole: isLast && unreadable.length === 0, unreadable };
  }

  /** Null: Clerk itself says that it has none, or that Billing is off. */
  async subscriptionOf({ kind, clerkId }: { kind: 'tenant' | 'user'; clerkId: string }) {
    const path =
      kind === 'tenant'
        ? clerkPath`/organizations/${clerkId}/billing/subscription`
        : clerkPath`/users/${clerkId}/billing/subscription`;
    try {
      return await this.calls.send(WholeClerkSubscription, { path });
    } catch (error) {
      if (isWithoutBilling(error)) return null;
      throw error;
    }
  }

  /** At once, or at the end of the period that is paid. What it then is, here and below, is to be read. */
  async cancel(itemId: string, { endNow }: { endNow: boolean }): Promise<void> {
    const path = `${clerkPath`/billing/subscription_items/${itemId}`}?end_now=${endNow}`;
    await this.calls.send(z.unknown(), { method: 'DELETE', path });
  }

  async extendTrial(itemId: string, until: Date): Promise<void> {
    const path = clerkPath`/billing/subscription_items/${itemId}/extend_free_trial`;
    await this.calls.send(z.unknown(), { method: 'POST', path, body: { extend_to: until.toISOString() } });
  }

  async #listed(path: string): Promise<z.infer<typeof Plans>> {
    try {
      return await this.calls.send(Plans, { path });
    } catch (error) {
      const { cause } = error as Problem;
      if (cause instanceof ClerkRefusal && cause.isFinal && cause.status !== 401)
        throw new Problem('not_found', { cause });
      throw error;
    }
  }
}

/**
 * By Clerk's own word alone, and where its code says so: a 404 of something on the way, or a 403 about our key or our plan at
 * Clerk, would end what is paid for.
 */
function isWithoutBilling(error: unknown): boolean {
  const { cause } = error as Problem;
  if (!(cause instanceof ClerkRefusal && cause.isFinal)) return false;
  return cause.status === 404 || (cause.status === 403 && WITHOUT_BILLING.test(cause.code ?? ''));
}
