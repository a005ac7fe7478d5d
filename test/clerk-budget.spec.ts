import { expect, it } from '@jest/globals';
import { CLERK_LIMIT, greed } from './support/greed.ts';

it('eight users who ask for all they can get leave Clerk to the others', async () => {
  const { failed, profile, calls, most } = await greed(2000, 5);
  expect([failed, profile]).toEqual([[], true]);
  expect(calls).toBeGreaterThan(0);
  expect(most).toBeLessThanOrEqual(CLERK_LIMIT);
});
