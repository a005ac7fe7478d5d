import { createHash } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

export const ROOT = join(import.meta.dirname, '..');

/** What stands in keeps its state here: ignored by git, one per clone. */
export const LOCAL = join(ROOT, '.local');

/** A folder under the temp directory that belongs to this clone, for what another user must be able to reach. */
export const LOCAL_TEMP = join(tmpdir(), `gatehouse-${createHash('sha256').update(ROOT).digest('hex').slice(0, 12)}`);

/** Writes a file that only its owner can read. */
export function writeSecret(file: string, content: string): void {
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, content, { mode: 0o600 });
}
