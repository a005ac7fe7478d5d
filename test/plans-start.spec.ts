import { afterEach, beforeAll, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { Logger, Module } from '@nestjs/common';
import { notFound } from '../local/clerk/answers.ts';
import { PLANS } from '../local/clerk/plans.ts';
import { modulesOf, requestChain } from '../src/app.module.ts';
import { defineEntitlements } from '../src/billing/index.ts';
import { readSettings } from '../src/config/index.ts';
import { startApp, type TestApp } from './support/app.ts';
import { TestClerk } from './support/clerk.ts';
import { until } from './support/until.ts';
import { withRealMeters } from './support/usage.ts';

/** One plan that Clerk does not have, and none of those that are paid for there. */
const BOOK = defineEntitlements({
  meters: { 'projects.create': 'period' },
  defaults: { tenant: 'free_org', user: 'free_user' },
  plans: { free_org: { features: [] }, free_user: { features: [] }, gold: { features: ['export'] } },
});

let clerk: TestClerk;
let warnings: string[];

beforeAll(async () => {
  clerk = await TestClerk.start();
});

beforeEach(() => {
  warnings = [];
  jest.spyOn(Logger.prototype, 'warn').mockImplementation((message: string) => void warnings.push(message));
});

afterEach(() => {
  jest.restoreAllMocks();
});

const startWithGold = () =>
  startApp(clerk, {}, undefined, (env) => {
    @Module({ imports: modulesOf(readSettings(env), withRealMeters(BOOK)), providers: requestChain })
    class TestModule {}
    return TestModule;
  });

const plansOf = async (app: TestApp) => (await app.call('/v1/billing/plans')).body.data as { slug: string }[];

/** The first of them that says so. */
const warningOf = (says: RegExp) => until(async () => warnings.find((warning) => says.test(warning)));

describe('the start', () => {
  it('brings the plans in, and warns of each that only the book has, or only Clerk', async () => {
    const app = await startWithGold();
    await warningOf(/^plan /);
    expect(warnings.filter((warning) => warning.startsWith('plan ')).toSorted()).toEqual([
      expect.stringContaining('plan business: is not in src/entitlements.ts'),
      expect.stringContaining('plan gold: is in src/entitlements.ts'),
      expect.stringContaining('plan plus: is not in src/entitlements.ts'),
      expect.stringContaining('plan pro: is not in src/entitlements.ts'),
    ]);
    expect((await plansOf(app)).map(({ slug }) => slug)).toEqual(expect.arrayContaining(['free_org', 'pro']));
  });

  it('warns that billing may be off, where Clerk refuses', async () => {
    const listed = jest.spyOn(PLANS, 'filter').mockImplementation(() => {
      throw notFound();
    });
    const app = await startWithGold();
    expect(await warningOf(/billing may be off/i)).toMatch(/^there are no plans.*: Clerk answered 404/);
    expect(listed).toHaveBeenCalledTimes(1);
    expect(await plansOf(app)).toEqual([]);
    expect(warnings).not.toContainEqual(expect.stringContaining('trying again'));
  });

  it('warns that it tries again, where Clerk fails', async () => {
    jest.spyOn(PLANS, 'filter').mockImplementation(() => {
      throw new Error('no');
    });
    await startWithGold();
    await warningOf(/^cannot read the plans, trying again in a minute: /);
    expect(warnings).not.toContainEqual(expect.stringMatching(/billing may be off/i));
  });
});
