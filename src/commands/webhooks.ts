import '../node-version.ts';
import 'reflect-metadata';
import { readSettings } from '../config/index.ts';
import { UsageError } from './usage-error.ts';
import { WEBHOOKS_CALL, WEBHOOKS_HELP, webhooksOptionsOf } from './webhooks-options.ts';

try {
  const options = webhooksOptionsOf(process.argv.slice(2));
  if (options.help) process.stdout.write(WEBHOOKS_HELP);
  else await (await import('./webhooks-run.ts')).runWebhooks(readSettings(), options);
} catch (error) {
  if (!(error instanceof UsageError)) (await import('../explain.ts')).endWith(error);
  process.stderr.write(`${(error as UsageError).message}\n${WEBHOOKS_CALL} --help says how.\n`);
  process.exitCode = 2;
}
