import { z } from 'zod';
import { Problem } from './problem.ts';

const MAX_CURSOR = 1000;

/** Where a list goes on, for a client to send back: a small value of JSON, opaque but no secret. */
export function encodeCursor(value: z.core.util.JSONType): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url');
}

/** The value in a cursor. Throws `invalid_cursor` when no list of that kind gave it. */
export function decodeCursor<Output>(cursor: string, schema: z.ZodType<Output>): Output {
  const { success, data } = schema.safeParse(valueIn(cursor));
  if (!success) throw new Problem('invalid_cursor');
  return data;
}

function valueIn(cursor: string): unknown {
  if (cursor.length > MAX_CURSOR) return undefined;
  const bytes = Buffer.from(cursor, 'base64url');
  // Node skips what is no base64url: many cursors would mean the same
  if (bytes.toString('base64url') !== cursor) return undefined;
  try {
    return JSON.parse(bytes.toString());
  } catch {
    return undefined;
  }
}
