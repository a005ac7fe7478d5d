import { once } from 'node:events';

export default async function globalTeardown(): Promise<void> {
  globalThis.keeper?.stdin?.end();
  if (globalThis.keeper?.exitCode === null) await once(globalThis.keeper, 'exit');
}
