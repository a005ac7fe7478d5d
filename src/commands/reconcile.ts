import '../node-version.ts';
import 'reflect-metadata';
import { readSettings } from '../config/index.ts';
import { endWith } from '../explain.ts';
import { optionsOf, RECONCILE_CALL, RECONCILE_HELP } from './reconcile-options.ts';
import { reconcile } from './reconcile-run.ts';
import { UsageError } from './usage-error.ts';

const stopping = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => stopping.abort());

try {
  const options = optionsOf(process.argv.slice(2));
  if (options.help) process.stdout.write(RECONCILE_HELP);
  else process.exitCode = await reconcile(readSettings(), options, { ...process, signal: stopping.signal });
} catch (error) {
  if (!(error instanceof UsageError)) endWith(error);
  process.stderr.write(`${error.message}\n${RECONCILE_CALL} --help says how.\n`);
  process.exitCode = 2;
}
