import { EntityManager } from '@mikro-orm/postgresql';
import { type INestApplicationContext } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { Plans } from '../billing/index.ts';
import { CannotReconcile, ClerkRefusal, ClerkUnreachable, Reconciliation } from '../clerk/index.ts';
import type { Settings } from '../config/index.ts';
import { DatabaseStartup, withoutRowValues } from '../database/index.ts';
import { alone } from './alone.ts';
import { ErrorsOnly } from './errors-only.ts';
import { ReconcileModule } from './reconcile.module.ts';
import type { CommandOptions } from './reconcile-options.ts';
import { comparePlans } from './reconcile-plans.ts';
import { type Output, Report } from './reconcile-report.ts';

/** Runs the command to its end and answers its exit code; the signal stops it between two steps. */
export async function reconcile(
  settings: Settings,
  options: CommandOptions,
  output: Output & { signal: AbortSignal },
): Promise<number> {
  const app = await NestFactory.createApplicationContext(ReconcileModule.with(settings), {
    logger: new ErrorsOnly(output.stderr),
    abortOnError: false,
  });
  try {
    const { waitingFor } = app.get(DatabaseStartup);
    if (waitingFor) throw new CannotReconcile(`Not ready, waiting for ${waitingFor}`);
    return await alone(settings.databaseListenUrl, () => work(app, options, output));
  } catch (error) {
    output.stderr.write(`${output.signal.aborted ? 'Stopped.' : sentenceOf(error)}\n`);
    return 1;
  } finally {
    await app.close();
  }
}

async function work(
  app: INestApplicationContext,
  { revive, json, ...options }: CommandOptions,
  { signal, ...output }: Output & { signal: AbortSignal },
): Promise<number> {
  const report = new Report(output, { ...options, json });
  if (revive) {
    await app.get(Reconciliation).revive(revive);
    report.revived(revive);
    return 0;
  }
  try {
    const outcome = await app.get(Reconciliation).run(options, report, signal);
    if (outcome.end === 'interrupted') return report.ended(outcome);
    return report.ended(outcome, await comparePlans(app.get(Plans), app.get(EntityManager).fork(), options));
  } finally {
    report.close();
  }
}

/** The words of what is known; the rest is for who looks into it. */
function sentenceOf(error: unknown): string {
  if (error instanceof CannotReconcile) return error.message;
  const isKnown = error instanceof ClerkRefusal || error instanceof ClerkUnreachable;
  const reason = isKnown ? error.message : withoutRowValues(error as Error).stack;
  return `Stopped: ${reason}\nRun the same command again to go on.`;
}
