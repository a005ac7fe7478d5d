const WINDOW_MS = 60_000;
const MAX_LINES = 60;

/**
 * Lets so many lines of a kind into the log in a minute, and counts the others: anybody can cause them, and must not fill the
 * disk. The kinds are a few, and none is of a client's making.
 */
export class LineLimit {
  readonly #windows = new Map<string, { since: number; lines: number }>();

  /** How many were left out since the last line of this kind that was let in; undefined: this one is left out too. */
  admit(kind: string): number | undefined {
    const now = performance.now();
    const window = this.#windows.get(kind) ?? { since: now, lines: 0 };
    const isOver = now - window.since >= WINDOW_MS;
    const lines = isOver ? 1 : window.lines + 1;
    this.#windows.set(kind, { since: isOver ? now : window.since, lines });
    if (lines > MAX_LINES) return undefined;
    return isOver ? Math.max(window.lines - MAX_LINES, 0) : 0;
  }
}
