import { expect, it } from '@jest/globals';
import { CLERK_LIMIT, greed } from './support/greed.ts';

it('eight users who ask for all they can get leave Clerk to the others', async () => {
  const { failed, profile, calls, most } = await greed({ loopMs: 2000, rounds: 5, loops: 3 });
  expect([failed, profile]).toEqual([[], true]);
  expect(calls).toBeGreaterThan(0);
  expect(most).toBeLessThanOrEqual(CLERK_LIMIT);
});
