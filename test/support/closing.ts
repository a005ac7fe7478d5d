/** A file that starts many applications ends them one after the other. */
const CLOSING_MS = 180_000;

const closers: (() => Promise<unknown>)[] = [];

/** Ends what a test started after the last test of its file, in reverse order; the benchmark calls `closeAll` itself. */
export function onClose(close: () => Promise<unknown>): void {
  closers.push(close);
}

export async function closeAll(): Promise<void> {
  for (const close of closers.splice(0).toReversed()) await close();
}

type AfterAll = (hook: () => Promise<void>, timeoutMs: number) => void;
(globalThis as { afterAll?: AfterAll }).afterAll?.(closeAll, CLOSING_MS);
