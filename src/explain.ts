import { inspect } from 'node:util';
import { SettingsError } from './config/index.ts';
import { WrongRoleError, withoutRowValues } from './database/index.ts';

/** Ends a process that cannot start: what an operator can mend gets its sentence, anything else its stack. */
export function endWith(error: unknown): never {
  process.stderr.write(`${explain(error)}\n`);
  process.exit(1);
}

function explain(error: unknown): string {
  if (error instanceof SettingsError || error instanceof WrongRoleError) return error.message;
  const { code, port } = error as NodeJS.ErrnoException & { port?: number };
  if (code === 'EADDRINUSE') return `PORT: ${port} is already in use; set another, or stop what listens there`;
  return inspect(error instanceof Error ? withoutRowValues(error) : error);
}
