import { z } from 'zod';

const MAX_SETTINGS_BYTES = 8192;

/** Settings of our own for a user or a tenant: any JSON that PostgreSQL can hold. */
export const StorableSettings = z
  .record(z.string(), z.unknown())
  .refine((value) => Buffer.byteLength(JSON.stringify(value)) <= MAX_SETTINGS_BYTES, 'must be at most 8 KB of JSON')
  .refine(isStorable, 'must not contain the character U+0000 or half a surrogate pair')
  .meta({ description: 'Replaces all settings; at most 8 KB' });

/** A text without blanks at its ends, of one to `max` characters (code points), all of which PostgreSQL can hold. */
export function storableText(max: number) {
  const form = new RegExp(`^[^\\0\\p{Surrogate}]{1,${max}}$`, 'u');
  return z
    .string()
    .trim()
    .refine((text) => form.test(text), `must be 1 to ${max} characters, without U+0000 or half a surrogate pair`)
    .meta({ minLength: 1, maxLength: max });
}

/** What PostgreSQL's jsonb refuses. */
function isStorable(value: unknown): boolean {
  const content = JSON.stringify(value);
  return !/(?<!\\)(?:\\\\)*\\u(?:0000|d[89ab][0-9a-f]{2}|d[c-f][0-9a-f]{2})/i.test(content);
}
