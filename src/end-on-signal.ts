import { setTimeout } from 'node:timers/promises';
import { type INestApplicationContext, Logger } from '@nestjs/common';
import { endWith } from './explain.ts';
import { HealthController } from './health/health.controller.ts';

const SIGNALS = ['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGQUIT'] as const;
/** A service manager and npm each pass on the same signal. */
const SAME_SIGNAL_MS = 500;

/**
 * Ends the process on a signal. `/readyz` says so first; connections are taken for `delayMs` more, until a load balancer has
 * seen it, or until a second signal; then what is running is finished.
 */
export function endOnSignal(app: INestApplicationContext, delayMs = 0): void {
  const logger = new Logger('Process');
  const hurry = new AbortController();
  let firstAt: number | undefined;
  const end = async (signal: string): Promise<void> => {
    if (firstAt !== undefined && performance.now() - firstAt > SAME_SIGNAL_MS) hurry.abort();
    if (firstAt !== undefined) return;
    firstAt = performance.now();
    app.get(HealthController, { strict: false }).becomeUnready();
    logger.log(`Stopping: ${signal} received${delayMs ? `; connections are taken for ${delayMs} ms more` : ''}`);
    await setTimeout(delayMs, undefined, { signal: hurry.signal }).catch(() => undefined);
    await app.close();
    logger.log('Stopped');
    process.exit(0);
  };
  for (const signal of SIGNALS) process.on(signal, () => void end(signal).catch(endWith));
}
