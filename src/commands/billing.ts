import '../node-version.ts';
import 'reflect-metadata';
import { readSettings } from '../config/index.ts';
import { BILLING_CALL, BILLING_HELP, billingOptionsOf } from './billing-options.ts';
import { UsageError } from './usage-error.ts';

try {
  const options = billingOptionsOf(process.argv.slice(2));
  if (options.command === 'help') process.stdout.write(BILLING_HELP);
  else process.exitCode = await (await import('./billing-run.ts')).runBilling(readSettings(), options);
} catch (error) {
  if (!(error instanceof UsageError)) (await import('../explain.ts')).endWith(error);
  process.stderr.write(`${(error as UsageError).message}\n${BILLING_CALL} --help says how.\n`);
  process.exitCode = 2;
}
