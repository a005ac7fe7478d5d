import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { monthOf } from '../src/billing/month.ts';

const times = fc.date({
  min: new Date('1970-01-01T00:00:00Z'),
  max: new Date('2100-12-31T23:59:59.999Z'),
  noInvalidDate: true,
});
const anchors = fc.option(times, { nil: null });

const asText = (anchor: string | null, now: string) => {
  const { start, end } = monthOf(anchor === null ? null : new Date(anchor), new Date(now));
  return [start.toISOString(), end.toISOString()].map((text) => text.replace('.000Z', 'Z'));
};

describe('a month of usage', () => {
  it.each<[anchor: string | null, now: string, start: string, end: string]>([
    [null, '2026-02-10T12:00:00Z', '2026-02-01T00:00:00Z', '2026-03-01T00:00:00Z'],
    [null, '2026-12-31T23:59:59Z', '2026-12-01T00:00:00Z', '2027-01-01T00:00:00Z'],
    ['2026-01-31T08:30:00Z', '2026-02-28T08:29:59Z', '2026-01-31T08:30:00Z', '2026-02-28T08:30:00Z'],
    ['2026-01-31T08:30:00Z', '2026-02-28T08:30:00Z', '2026-02-28T08:30:00Z', '2026-03-31T08:30:00Z'],
    ['2026-01-31T08:30:00Z', '2026-04-01T00:00:00Z', '2026-03-31T08:30:00Z', '2026-04-30T08:30:00Z'],
    ['2028-01-31T00:00:00Z', '2028-02-29T00:00:00Z', '2028-02-29T00:00:00Z', '2028-03-31T00:00:00Z'],
    ['2028-02-29T00:00:00Z', '2029-03-01T00:00:00Z', '2029-02-28T00:00:00Z', '2029-03-29T00:00:00Z'],
    ['2026-06-15T10:00:00Z', '2026-06-01T00:00:00Z', '2026-05-15T10:00:00Z', '2026-06-15T10:00:00Z'],
    ['2026-06-30T10:00:00Z', '2026-02-28T09:00:00Z', '2026-01-30T10:00:00Z', '2026-02-28T10:00:00Z'],
  ])('of one who began at %s, at %s', (anchor, now, start, end) => {
    expect(asText(anchor, now)).toEqual([start, end]);
  });

  it('has now in it', () => {
    fc.assert(
      fc.property(anchors, times, (anchor, now) => {
        const { start, end } = monthOf(anchor, now);
        expect(start.getTime()).toBeLessThanOrEqual(now.getTime());
        expect(now.getTime()).toBeLessThan(end.getTime());
      }),
      { numRuns: 2000 },
    );
  });

  it('is the same at each of its times, and the next begins where it ends', () => {
    fc.assert(
      fc.property(anchors, times, (anchor, now) => {
        const { start, end } = monthOf(anchor, now);
        expect(monthOf(anchor, start)).toEqual({ start, end });
        expect(monthOf(anchor, new Date(end.getTime() - 1))).toEqual({ start, end });
        expect(monthOf(anchor, end).start).toEqual(end);
      }),
      { numRuns: 2000 },
    );
  });

  it('begins on the day of the anchor at its time, or on the last day of a month that is too short', () => {
    fc.assert(
      fc.property(times, times, (anchor, now) => {
        const { start } = monthOf(anchor, now);
        expect(start.toISOString().slice(10)).toBe(anchor.toISOString().slice(10));
        const isLastDay = new Date(start.getTime() + 86_400_000).getUTCDate() === 1;
        const day = start.getUTCDate();
        expect(day === anchor.getUTCDate() || (isLastDay && day < anchor.getUTCDate())).toBe(true);
      }),
      { numRuns: 2000 },
    );
  });
});
