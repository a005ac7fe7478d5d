import { defineEntity, p } from '@mikro-orm/core';
import type { Tally } from './findings.ts';

const MAX_AGE_MS = 86_400_000;

const ReconcileProgressSchema = defineEntity({
  name: 'ReconcileProgress',
  tableName: 'reconcile_progress',
  properties: {
    /** What is reconciled: `users`, `organizations`, `memberships`; a run has all of them. */
    subject: p.text().primary(),
    applies: p.boolean(),
    /** Which list it walks: Clerk's, or ours for what Clerk's did not have. */
    phase: p.text().$type<'theirs' | 'ours' | 'done'>().default('theirs'),
    /** Of Clerk's list a time of creation in milliseconds or an offset, of ours the last key; empty: the beginning. */
    position: p.text().default(''),
    /** How many of Clerk's were walked. */
    walked: p.integer().default(0),
    tally: p.json<Tally>(),
    startedAt: p.datetime().defaultRaw('now()'),
  },
});

/** Where a run stands, so that the next goes on from there; gone when it has come to its end. */
export class ReconcileProgress extends ReconcileProgressSchema.class {
  /** Whether a run of that kind may go on from here. */
  canGoOn(applies: boolean): boolean {
    return this.applies === applies && Date.now() - this.startedAt.getTime() < MAX_AGE_MS;
  }
}
ReconcileProgressSchema.setClass(ReconcileProgress);
