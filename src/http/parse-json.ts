import { Problem } from './problem.ts';

const UTF8 = new TextDecoder('utf-8', { fatal: true });

/** The JSON in these bytes. Throws `invalid_input` when they are none, or not UTF-8 (RFC 8259, section 8.1). */
export function parseJson(bytes: Buffer): unknown {
  try {
    return JSON.parse(UTF8.decode(bytes));
  } catch (cause) {
    throw new Problem('invalid_input', { detail: 'The body is not JSON in UTF-8.', cause });
  }
}
