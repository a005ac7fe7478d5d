import type { INestApplicationContext } from '@nestjs/common';
import { KnownPayers, Overrides, type Payer, Trials } from '../billing/index.ts';
import type { Settings } from '../config/index.ts';
import { Problem } from '../http/index.ts';
import type { BillingOptions } from './billing-options.ts';
import { giftOf, sentenceOfOverride } from './billing-override.ts';
import { showReport } from './billing-report.ts';
import { sentenceOf } from './billing-sentence.ts';
import { RECONCILE_CALL } from './reconcile-options.ts';
import { UsageError } from './usage-error.ts';
import { withoutServer } from './without-server.ts';

type Asked<Name extends BillingOptions['command']> = Extract<BillingOptions, { command: Name }>;

/** Does what was asked, in the application without its server, and answers the exit code. */
export async function runBilling(
  settings: Settings,
  options: Exclude<BillingOptions, { command: 'help' }>,
): Promise<number> {
  try {
    await withoutServer(settings, (app) => run(app, options));
    return 0;
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    process.stderr.write(`${sentenceOf(error)}\n`);
    return 1;
  }
}

async function run(app: INestApplicationContext, options: Exclude<BillingOptions, { command: 'help' }>) {
  const payer = await app.get(KnownPayers).find(options.payer);
  if (!payer)
    throw new UsageError(
      `There is no tenant or user ${options.payer} here. Whoever Clerk has comes in with ${RECONCILE_CALL} --apply.`,
    );
  switch (options.command) {
    case 'show':
      return showReport(await app.get(KnownPayers).report(payer), options.json);
    case 'override':
      return override(app.get(Overrides), payer, options);
    case 'remove':
      return remove(app.get(Overrides), payer, options);
    case 'extend-trial':
      return extend(app.get(Trials), payer, options);
    default:
      return options satisfies never;
  }
}

async function override(
  overrides: Overrides,
  payer: Payer,
  { feature, gives, endsAt, reason, json }: Asked<'override'>,
) {
  const gift = giftOf({ payer, feature, gives }, await overrides.overridable());
  const set = { feature, ...gift, endsAt, reason };
  await overrides.set(payer, set);
  print(json, { payer, ...set }, `${payer.clerkId}: ${sentenceOfOverride(set)}`);
}

async function remove(overrides: Overrides, payer: Payer, { feature, json }: Asked<'remove'>) {
  if (!(await overrides.remove(payer, feature)))
    throw new Problem('not_found', { detail: `There is no override of ${feature}.` });
  print(json, { payer, feature, removed: true }, `${payer.clerkId}: of ${feature} the plan alone counts again`);
}

async function extend(trials: Trials, payer: Payer, { by, json }: Asked<'extend-trial'>) {
  const trialEndsAt = await trials.extend(payer, by);
  print(json, { payer, trialEndsAt }, `${payer.clerkId}: the trial ends at ${trialEndsAt.toISOString()}`);
}

function print(json: boolean, facts: object, line: string): void {
  console.log(json ? JSON.stringify(facts) : line);
}
