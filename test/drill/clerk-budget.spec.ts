import { expect, it } from '@jest/globals';
import { CLERK_LIMIT, greed } from '../support/greed.ts';

it('eight users who ask for all they can get leave Clerk to the others', async () => {
  const { failed, profile, calls, most } = await greed({ loopMs: 10_000, rounds: 5, loops: 20 });
  process.stdout.write(`${calls} calls to Clerk, ${most} in the busiest 10 s; failed: ${JSON.stringify(failed)}\n`);
  expect([failed, profile]).toEqual([[], true]);
  expect(calls).toBeGreaterThan(0);
  expect(most).toBeLessThanOrEqual(CLERK_LIMIT);
});
