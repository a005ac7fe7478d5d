import { describe, expect, it } from '@jest/globals';
import { BillingModule, defineEntitlements } from '../src/billing/index.ts';
import { ENTITLEMENTS } from '../src/entitlements.ts';

type Limits = NonNullable<Parameters<typeof defineEntitlements<'a', 'free'>>[0]['plans']['free']['limits']>;

const defaults = { tenant: 'free', user: 'free' } as const;
const withMeter = (meter: string) =>
  defineEntitlements({ meters: { [meter]: 'period' }, defaults, plans: { free: { features: ['export'] } } });
const withLimit = (hard: number) =>
  defineEntitlements({ meters: { a: 'total' }, defaults, plans: { free: { features: [], limits: { a: { hard } } } } });
const withSeats = (seats: number) =>
  defineEntitlements({ meters: {}, defaults, plans: { free: { features: [], seats } } });

describe('the book of entitlements', () => {
  it.each([
    ['a meter whose name no header can have', withMeter('Invoices Create!'), 'the meter Invoices Create! has'],
    ['a meter that is a feature, too', withMeter('export'), 'the meter export has the name'],
    ['a meter of seats', withMeter('seats'), 'the meter seats has the name'],
    ['a limit below 0', withLimit(-2), 'the plan free limits a to what'],
    ['a limit that is no whole number', withLimit(1.5), 'the plan free limits a to what'],
    ['seats below 0', withSeats(-1), 'the plan free has seats'],
  ])('stops the start with %s', (_, book, sentence) => {
    expect(() => BillingModule.with(book)).toThrow(`src/entitlements.ts: ${sentence}`);
  });

  it('stops the start with a limit of no meter', () => {
    const plans = { free: { features: [], limits: { b: { hard: 1 } } } };
    expect(() => BillingModule.with({ meters: { a: 'total' }, defaults, plans })).toThrow(
      'limits b, which is no meter',
    );
  });

  it('is one in which the compiler sees what is misspelt', () => {
    // @ts-expect-error b is no meter
    const typo: Limits = { b: { hard: 1 } };
    // @ts-expect-error a limit is hard or soft
    const both: Limits = { a: { hard: 1, soft: 2 } };
    expect([typo, both]).toHaveLength(2);
  });

  it('of the product is sound', () => {
    expect(() => BillingModule.with(ENTITLEMENTS)).not.toThrow();
  });
});
