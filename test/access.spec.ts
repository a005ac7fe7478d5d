import { describe, expect, it } from '@jest/globals';
import { type AccessItem, accessEndOf, isKnownStatus } from '../src/billing/access.ts';

const [START, END, TOLD] = [new Date('2026-11-01'), new Date('2026-12-01'), new Date('2026-11-20')];
const GRACE_MS = 7 * 86_400_000;
const TERMS = { subscriptionPastDueAt: null, graceMs: GRACE_MS };

const anItem = (facts: Partial<AccessItem>): AccessItem => ({
  status: 'active',
  isTrial: false,
  periodStart: START,
  periodEnd: END,
  pastDueAt: null,
  clerkUpdatedAt: TOLD.getTime(),
  ...facts,
});

const afterGrace = (since: Date) => new Date(since.getTime() + GRACE_MS);

describe('access', () => {
  it.each<[string, Partial<AccessItem>, Date | 'open' | 'none']>([
    ['active, whenever its period ends', { status: 'active' }, 'open'],
    ['active, without an end', { status: 'active', periodEnd: null }, 'open'],
    ['on trial', { status: 'active', isTrial: true }, END],
    ['on trial, without an end', { status: 'active', isTrial: true, periodEnd: null }, 'none'],
    ['past due', { status: 'past_due', pastDueAt: START }, afterGrace(START)],
    ['past due, since it was told', { status: 'past_due' }, afterGrace(TOLD)],
    ['past due, and was on trial', { status: 'past_due', isTrial: true }, afterGrace(TOLD)],
    ['canceled', { status: 'canceled' }, END],
    ['canceled, without an end', { status: 'canceled', periodEnd: null }, 'none'],
    ['upcoming', { status: 'upcoming' }, 'none'],
    ['ended', { status: 'ended' }, 'none'],
    ['expired', { status: 'expired' }, 'none'],
    ['abandoned', { status: 'abandoned' }, 'none'],
    ['incomplete', { status: 'incomplete' }, 'none'],
    ['of a status that nobody knows', { status: 'on_a_break' }, 'none'],
    ['of a status that objects have', { status: 'constructor' }, 'none'],
  ])('by an item that is %s', (_, facts, end) => {
    expect(accessEndOf(anItem(facts), TERMS)).toEqual(end);
  });

  it.each([
    ['of this period', new Date('2026-11-10'), new Date('2026-11-10')],
    ['of its first moment', START, START],
    ['of a period before, which is none of this', new Date('2026-10-31'), TOLD],
  ])('that is past due counts from the time that the subscription alone has, %s', (_, since, from) => {
    const terms = { ...TERMS, subscriptionPastDueAt: since };
    expect(accessEndOf(anItem({ status: 'past_due' }), terms)).toEqual(afterGrace(from));
  });

  it('has no doubt about statuses of its table, and of no other', () => {
    const known = ['active', 'past_due', 'canceled', 'upcoming', 'ended', 'expired', 'abandoned', 'incomplete'];
    expect(known.filter((status) => !isKnownStatus(status))).toEqual([]);
    expect(['on_a_break', 'constructor', '', 'Active'].filter(isKnownStatus)).toEqual([]);
  });
});
