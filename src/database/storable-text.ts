const MAX_LENGTH = 1000;
/** An entry of an index has room for some 2,700 bytes, and a character takes up to four. */
const MAX_KEY_LENGTH = 255;

/**
 * What another says is a text, without what PostgreSQL cannot hold: NUL and halves of surrogate pairs. Cut at a whole character;
 * null when it is none, or nothing is left. For a column with an index: `storableKey`.
 */
export function storableText(value: unknown): string | null {
  const text = cleaned(value);
  // a pair that the first cut halves is beyond the second, which counts whole characters
  return (
    Array.from(text.slice(0, 2 * MAX_LENGTH))
      .slice(0, MAX_LENGTH)
      .join('') || null
  );
}

/** As `storableText`, for a column with an index. Null when it is longer than 255: of two that begin alike the cut would make one. */
export function storableKey(value: unknown): string | null {
  const text = cleaned(value);
  return text.length > MAX_KEY_LENGTH ? null : text || null;
}

function cleaned(value: unknown): string {
  return typeof value === 'string' ? value.replaceAll('\0', '').replaceAll(/\p{Surrogate}/gu, '') : '';
}
