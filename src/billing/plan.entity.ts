import { isDeepStrictEqual } from 'node:util';
import { defineEntity, p } from '@mikro-orm/core';
import { id, times } from '../database/columns.entity.ts';
import type { PlanFacts } from './billing-facts.ts';

/** Who pays: a tenant or a user. */
export type PayerKind = 'tenant' | 'user';

/** For how long is paid at once. */
export type PaidPeriod = 'month' | 'annual';

const PlanSchema = defineEntity({
  name: 'Plan',
  tableName: 'plans',
  properties: {
    id,
    /** The provider's id, as of everything of theirs. */
    providerId: p.text().unique(),
    slug: p.text().index(),
    name: p.text(),
    payer: p.text().$type<PayerKind>(),
    /** In the smallest unit of the currency, for one period. */
    amount: p.bigint('number'),
    /** For a year at once; null: it is not sold so. */
    annualAmount: p.bigint('number').nullable(),
    currency: p.text(),
    /** Null: it is not charged again. */
    period: p.text().$type<PaidPeriod>().nullable(),
    /** Slugs, as the provider has them. */
    features: p.json<string[]>().default('[]'),
    trialDays: p.integer().nullable(),
    isPublic: p.boolean(),
    /** The provider does not have it any more. */
    retiredAt: p.datetime().nullable(),
    ...times,
  },
});

/** What can be subscribed to, as the provider has it. Global: everybody may know. */
export class Plan extends PlanSchema.class {
  take(facts: PlanFacts): void {
    Object.assign(this, facts, { retiredAt: null });
  }

  /** Whoever is on it stays so; it is not offered any more. */
  retire(): void {
    this.retiredAt ??= new Date();
  }

  shows(facts: PlanFacts): boolean {
    return (
      !this.retiredAt &&
      Object.entries(facts).every(([name, value]) => isDeepStrictEqual(this[name as keyof PlanFacts], value))
    );
  }
}
PlanSchema.setClass(Plan);
