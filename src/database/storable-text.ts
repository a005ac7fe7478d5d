const MAX_TEXT = 1000;

/** What another says is a text, as far as PostgreSQL can hold it; null when it is none, or empty. */
export function storableText(value: unknown): string | null {
  if (typeof value !== 'string' || value === '' || value.includes('\0') || !value.isWellFormed()) return null;
  return value.slice(0, MAX_TEXT);
}
