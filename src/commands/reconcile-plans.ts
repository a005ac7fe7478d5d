import type { EntityManager } from '@mikro-orm/postgresql';
import { askForAll, type PlanDrift, type Plans } from '../billing/index.ts';
import { ClerkRefusal, FINDINGS, type FindingKind, type Tally } from '../clerk/index.ts';
import { Problem } from '../http/index.ts';
import { sentenceOf } from './billing-sentence.ts';

/** How our plans differ from Clerk's, by their slugs; or why that is not known. */
export type PlansOutcome = { tally: Tally; asked: number } | { notCompared: string; isReached: boolean };

/**
 * Repairs them, too, with `applies`, and has the running service read the subscriptions again. Where billing is off Clerk
 * refuses, which says nothing of the rest.
 */
export async function comparePlans(
  plans: Plans,
  em: EntityManager,
  { applies }: { applies: boolean },
): Promise<PlansOutcome> {
  try {
    const tally = tallyOf(await (applies ? plans.mirror() : plans.compare()));
    return { tally, asked: applies ? await askForAll(em) : 0 };
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    const { cause } = error;
    const isReached = cause instanceof ClerkRefusal && cause.isFinal;
    return { notCompared: sentenceOf(error), isReached };
  }
}

/** As those on subjects, for scripts; none where plans were not compared. */
export function findingsOf(plans: PlansOutcome | undefined) {
  if (!plans || 'notCompared' in plans) return [];
  return FINDINGS.flatMap((kind) => plans.tally[kind].ids.map((id) => ({ subject: 'plans', kind, id })));
}

export function summaryOf(plans: PlansOutcome) {
  if ('notCompared' in plans) return { notCompared: plans.notCompared };
  const { missing, stale, orphaned, unreadable } = plans.tally;
  return {
    missing: missing.count,
    stale: stale.count,
    orphaned: orphaned.count,
    unreadable: unreadable.count,
    subscriptionsAsked: plans.asked,
  };
}

function tallyOf(drift: PlanDrift): Tally {
  const slugsOf = (kind: FindingKind) => (kind in drift ? drift[kind as keyof PlanDrift] : []);
  const tally = FINDINGS.map((kind) => [kind, { count: slugsOf(kind).length, ids: slugsOf(kind) }]);
  return Object.fromEntries(tally) as Tally;
}
