import { existsSync } from 'node:fs';

/** Returns how a command is called where this process runs: npm's scripts need a folder that an image does not have. */
export function invocation(script: string, file: string): string {
  return existsSync('local/run.ts') ? `npm run ${script} --` : `node dist/src/commands/${file}.js`;
}
