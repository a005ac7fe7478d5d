const closers: (() => Promise<unknown>)[] = [];

/** Ends what a test started after the last test of its file, in reverse order; the benchmark calls `closeAll` itself. */
export function onClose(close: () => Promise<unknown>): void {
  closers.push(close);
}

export async function closeAll(): Promise<void> {
  for (const close of closers.splice(0).toReversed()) await close();
}

(globalThis as { afterAll?: (hook: () => Promise<void>) => void }).afterAll?.(closeAll);
