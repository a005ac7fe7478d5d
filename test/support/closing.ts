import { setTimeout } from 'node:timers/promises';

/** A file that starts many applications ends them one after the other. */
const CLOSING_MS = 180_000;
const ONE_MS = 30_000;

const closers: { close: () => Promise<unknown>; late: Error }[] = [];

/** Ends what a test started after the last test of its file, in reverse order; the benchmark calls `closeAll` itself. */
export function onClose(close: () => Promise<unknown>): void {
  closers.push({ close, late: new Error(`what was started here had not ended after ${ONE_MS / 1000} s`) });
}

export async function closeAll(): Promise<void> {
  const failures: unknown[] = [];
  for (const { close, late } of closers.splice(0).toReversed()) {
    const timer = new AbortController();
    const tooLate = setTimeout(ONE_MS, undefined, { signal: timer.signal }).then(() => Promise.reject(late));
    await Promise.race([close(), tooLate]).catch((error: unknown) => failures.push(error));
    timer.abort();
  }
  if (failures.length > 0) throw failures.length === 1 ? failures[0] : new AggregateError(failures);
}

type AfterAll = (hook: () => Promise<void>, timeoutMs: number) => void;
(globalThis as { afterAll?: AfterAll }).afterAll?.(closeAll, CLOSING_MS);
