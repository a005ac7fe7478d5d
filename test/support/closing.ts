import { afterAll } from '@jest/globals';

const closers: (() => Promise<unknown>)[] = [];

/** Ends what a test started after the last test of its file, in reverse order. */
export function onClose(close: () => Promise<unknown>): void {
  closers.push(close);
}

afterAll(async () => {
  for (const close of closers.splice(0).toReversed()) await close();
});
