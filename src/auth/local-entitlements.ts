import type { EntityManager } from '@mikro-orm/postgresql';

/** What a token claims that a payer has; by slugs. */
export interface Claimed {
  readonly plans: readonly string[];
  readonly features: readonly string[];
}

/** What counts. */
export interface Counted extends Claimed {
  /** Whether it is our own word: the payer's subscription is in our copy. */
  readonly isMirrored: boolean;
  /** The slugs of features that are refused, whoever asks. */
  readonly denied: readonly string[];
}

/** What is known here of what payers have; `billing` provides it. */
export abstract class LocalEntitlements {
  /** Of the organization or the user with that id of Clerk's: from memory where it is known. */
  abstract entitle(clerkId: string, claimed: Claimed): Counted | Promise<Counted>;

  /**
   * Holds a seat of the organization's for who is to be added while Clerk is asked, beside those that `count` finds in a
   * transaction of the tenant; it lapses by itself. Throws `quota_exceeded`.
   */
  abstract holdSeat(
    tenant: { id: string; clerkId: string },
    count: (em: EntityManager) => Promise<number>,
  ): Promise<HeldSeat>;
}

export interface HeldSeat {
  /** In the transaction that fills it, or in one of its own. */
  letGo(em: EntityManager): Promise<void>;
}
