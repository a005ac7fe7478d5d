const PATIENCE_MS = 30_000;

/** What is answered once that holds; throws when it does not come to. */
export async function until<T>(ask: () => Promise<T>, holds: (value: T) => boolean = Boolean): Promise<T> {
  const deadline = performance.now() + PATIENCE_MS;
  for (;;) {
    const value = await ask();
    if (holds(value)) return value;
    if (performance.now() > deadline) throw new Error(`It does not become so: ${JSON.stringify(value)}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
