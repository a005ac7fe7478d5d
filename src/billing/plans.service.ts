import { EntityManager, LockMode } from '@mikro-orm/postgresql';
import { Inject, Injectable } from '@nestjs/common';
import { LRUCache } from 'lru-cache';
import { ChangeLog, transaction } from '../database/index.ts';
import { Problem } from '../http/index.ts';
import { BillingProvider, type WholeOffer } from './billing-provider.ts';
import { ENTITLEMENT_BOOK, type EntitlementBook } from './entitlement-book.ts';
import { Plan } from './plan.entity.ts';

/** How our plans differ from the provider's: by their slugs. */
export interface PlanDrift {
  /** By the provider's ids. */
  unreadable: string[];
  missing: string[];
  stale: string[];
  /** The provider does not have them any more. */
  orphaned: string[];
}

/** What the book and the provider do not both have: by their slugs. */
export interface PlanGaps {
  notAtProvider: string[];
  notInBook: string[];
}

/** How long what no list had is not looked for again. */
const ABSENCE_MS = 10 * 60_000;
const MAX_ABSENT = 1000;

/** Whether each of these slugs or provider's ids is of a plan that the provider has, or had. */
export async function knowsPlans(em: EntityManager, names: string[]): Promise<boolean> {
  const where = { $or: [{ slug: { $in: names } }, { providerId: { $in: names } }] };
  const known = await em.find(Plan, where, { fields: ['slug', 'providerId'] });
  return names.every((name) => known.some(({ slug, providerId }) => slug === name || providerId === name));
}

/** The topic of plans in the change log: all of them at once. */
export const PLANS_CHANGED = 'plans';

/** Our copy of the plans. */
@Injectable()
export class Plans {
  readonly #absent = new LRUCache<string, true>({ max: MAX_ABSENT, ttl: ABSENCE_MS });

  constructor(
    private readonly em: EntityManager,
    private readonly changes: ChangeLog,
    private readonly provider: BillingProvider,
    @Inject(ENTITLEMENT_BOOK) private readonly book: EntitlementBook,
  ) {}

  /** Those that anybody may see and subscribe to. */
  async offered(): Promise<Plan[]> {
    const where = { isPublic: true, retiredAt: null };
    return this.em.fork().find(Plan, where, { orderBy: { payer: 'asc', amount: 'asc', slug: 'asc' } });
  }

  /** Reads them anew where one of these slugs or provider's ids is not known: it was made since. Throws the provider's Problem. */
  async learn(names: string[]): Promise<void> {
    const wanted = names.filter((name) => !this.#absent.has(name));
    if (await knowsPlans(this.em.fork(), wanted)) return;
    const listed = await this.#learned();
    for (const name of wanted) if (!listed.includes(name)) this.#absent.set(name, true);
  }

  /** How ours differ from the provider's. Throws the provider's Problem. */
  async compare(): Promise<PlanDrift & PlanGaps> {
    const offer = await this.#offer();
    return { ...driftOf(await this.em.fork().find(Plan, {}), offer), ...this.#gapsOf(offer) };
  }

  /** Takes the provider's, and answers how ours differed. Throws the provider's Problem. */
  async mirror(): Promise<PlanDrift & PlanGaps> {
    const offer = await this.#offer();
    return { ...(await this.#take(offer)), ...this.#gapsOf(offer) };
  }

  /** The slugs and ids of all that are sold now; none where billing is off. */
  async #learned(): Promise<string[]> {
    try {
      const offer = await this.#offer();
      // a list may be older than a plan that was made since: what is not in it is left alone
      await this.#take({ ...offer, isWhole: false });
      return offer.plans.flatMap(({ slug, providerId }) => [slug, providerId]);
    } catch (error) {
      if (error instanceof Problem && error.code === 'not_found') return [];
      throw error;
    }
  }

  async #offer(): Promise<WholeOffer> {
    const { plans, isWhole, ...offer } = await this.provider.plans();
    const own = [...new Map(plans.map((plan) => [plan.providerId, plan])).values()];
    // no list of a provider that sells is empty
    return { ...offer, plans: own, isWhole: isWhole && own.length > 0 };
  }

  async #take(offer: WholeOffer): Promise<PlanDrift> {
    return transaction(this.em.fork(), async (em) => {
      // two processes that start together take turns
      await em.execute("select pg_advisory_xact_lock(hashtext('billing plans'))");
      const ours = await em.find(Plan, {}, { lockMode: LockMode.PESSIMISTIC_WRITE });
      const drift = driftOf(ours, offer);
      for (const facts of offer.plans) {
        const plan = ours.find(({ providerId }) => providerId === facts.providerId);
        if (plan) plan.take(facts);
        else em.create(Plan, { ...facts, retiredAt: null });
      }
      for (const plan of goneOf(ours, offer)) plan.retire();
      const { missing, stale, orphaned } = drift;
      if ([...missing, ...stale, ...orphaned].length > 0) this.changes.record(em, PLANS_CHANGED, '');
      return drift;
    });
  }

  #gapsOf({ plans }: WholeOffer): PlanGaps {
    const slugs = new Set(plans.map(({ slug }) => slug));
    const booked = Object.keys(this.book.plans);
    return {
      notAtProvider: booked.filter((slug) => !slugs.has(slug)),
      notInBook: [...slugs].filter((slug) => !booked.includes(slug)),
    };
  }
}

function driftOf(ours: Plan[], offer: WholeOffer): PlanDrift {
  const known = new Map(ours.map((plan) => [plan.providerId, plan]));
  const slugsOf = (plans: { slug: string }[]) => plans.map(({ slug }) => slug);
  return {
    missing: slugsOf(offer.plans.filter(({ providerId }) => !known.has(providerId))),
    stale: slugsOf(offer.plans.filter((facts) => known.get(facts.providerId)?.shows(facts) === false)),
    orphaned: slugsOf(goneOf(ours, offer)),
    unreadable: offer.unreadable ?? [],
  };
}

/** Those of ours that the provider does not sell any more. */
function goneOf(ours: Plan[], { plans, isWhole }: WholeOffer): Plan[] {
  const sold = new Set(plans.map(({ providerId }) => providerId));
  return isWhole ? ours.filter(({ providerId, retiredAt }) => !retiredAt && !sold.has(providerId)) : [];
}
