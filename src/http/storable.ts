import { z } from 'zod';

const MAX_SETTINGS_BYTES = 8192;

/** Settings of our own for a user or a tenant: any JSON that PostgreSQL can hold. */
export const StorableSettings = z
  .record(z.string(), z.unknown())
  .refine((value) => Buffer.byteLength(JSON.stringify(value)) <= MAX_SETTINGS_BYTES, 'must be at most 8 KB of JSON')
  .refine(isStorable, 'must not contain the character U+0000 or half a surrogate pair')
  .meta({ description: 'Replaces all settings; at most 8 KB' });

/**
 * What no line of text has: control characters, line ends, halves of surrogate pairs, and what turns the direction of the text
 * after it, so that a name could pass for another. The joiners (U+200C, U+200D) stay: Persian and families of emoji need them.
 */
const FORBIDDEN = '\\p{Cc}\\p{Zl}\\p{Zp}\\p{Surrogate}\\u202A-\\u202E\\u2066-\\u2069';
/** Any character that is seen; U+2800 is a Braille pattern without a dot. */
const VISIBLE = /[^\p{Cf}\p{Z}\p{Default_Ignorable_Code_Point}\u2800]/u;

/** One line of text without blanks at its ends, of one to `max` characters (code points), at least one of them visible. */
export function storableText(max: number) {
  const form = new RegExp(`^[^${FORBIDDEN}]{1,${max}}$`, 'u');
  return z
    .string()
    .trim()
    .refine(
      (text) => form.test(text) && VISIBLE.test(text),
      `must be 1 to ${max} characters, at least one of them visible, without control characters or changes of direction`,
    )
    .meta({ minLength: 1, maxLength: max });
}

/** What PostgreSQL's jsonb refuses. */
function isStorable(value: unknown): boolean {
  const content = JSON.stringify(value);
  return !/(?<!\\)(?:\\\\)*\\u(?:0000|d[89ab][0-9a-f]{2}|d[c-f][0-9a-f]{2})/i.test(content);
}
