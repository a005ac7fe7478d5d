import { EntityManager } from '@mikro-orm/postgresql';
import { Inject, Injectable } from '@nestjs/common';
import { v7 as uuidv7 } from 'uuid';
import { ChangeLog } from '../database/index.ts';
import { BILLING_CHANGED } from './billing-mirror.service.ts';
import { ENTITLEMENT_BOOK, type EntitlementBook, SEATS } from './entitlement-book.ts';
import { EntitlementOverride } from './entitlement-override.entity.ts';
import { asPayer, type Payer } from './payer.ts';
import { Plan } from './plan.entity.ts';

/** An operator's word on a feature, a meter, or the seats of a payer. */
export interface Override {
  readonly feature: string;
  readonly isGranted: boolean;
  /** Of a meter or seats that are granted; null: no limit. */
  readonly limit: number | null;
  /** From then on the plan alone counts; null: it does not end. */
  readonly endsAt: Date | null;
  readonly reason: string;
}

/** What can be overridden, by name. */
export interface Overridable {
  readonly features: readonly string[];
  /** Of these it is said how much: the meters and the seats. */
  readonly counted: readonly string[];
}

/** What operators give payers, or take, whatever their plans say. Every instance knows it within a second. */
@Injectable()
export class Overrides {
  constructor(
    private readonly em: EntityManager,
    private readonly changes: ChangeLog,
    @Inject(ENTITLEMENT_BOOK) private readonly book: EntitlementBook,
  ) {}

  /** What plans of the book or of the provider give; of those that are retired too, since somebody may be on them. */
  async overridable(): Promise<Overridable> {
    const plans = [...Object.values(this.book.plans), ...(await this.em.fork().find(Plan, {}))];
    const counted = [...Object.keys(this.book.meters), SEATS];
    const features = new Set(plans.flatMap((plan) => plan.features));
    return { features: [...features].filter((feature) => !counted.includes(feature)).toSorted(), counted };
  }

  /** In place of what was said of that feature before. */
  async set(payer: Payer, override: Override): Promise<void> {
    await asPayer(this.em.fork(), payer, async (own) => {
      await own.upsert(
        EntitlementOverride,
        { ...override, id: uuidv7(), ownerId: payer.id, updatedAt: new Date() },
        { onConflictFields: ['ownerId', 'feature'], onConflictExcludeFields: ['id'] },
      );
      this.changes.record(own, BILLING_CHANGED, payer.clerkId);
    });
  }

  /** False: there was none. */
  async remove(payer: Payer, feature: string): Promise<boolean> {
    return asPayer(this.em.fork(), payer, async (own) => {
      const isRemoved = (await own.nativeDelete(EntitlementOverride, { feature })) > 0;
      if (isRemoved) this.changes.record(own, BILLING_CHANGED, payer.clerkId);
      return isRemoved;
    });
  }
}
