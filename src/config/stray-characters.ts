const BLANKS = String.raw`\s\p{Cc}\p{Cf}`;
const AROUND = new RegExp(`^[${BLANKS}]+|[${BLANKS}]+$`, 'gu');
const QUOTED = /^(?:"([^"]*)"|'([^']*)'|`([^`]*)`|[“„]([^“”„]*)[”“]|[‘‚]([^‘’‚]*)[’‘])$/u;

/** Returns the value without what secret stores, .env files and copying put around it: blanks, line breaks, quotes. */
export function withoutSurroundings(value: string): string {
  const bare = value.replace(AROUND, '');
  const inner = QUOTED.exec(bare)
    ?.slice(1)
    .find((part) => part !== undefined);
  return inner === undefined ? bare : withoutSurroundings(inner);
}

/** What a URL parser drops without a word, so that the address that is read is not the one that is written. */
export const DROPPED_IN_URLS = /[\p{Cc}\p{Cf}]/u;

/** Names what else is in a value and belongs in none, but not the value; undefined: nothing is. */
export function strayCharactersIn(value: string): string | undefined {
  const found = [
    /[\r\n\u2028\u2029]/u.test(value) && 'a line break',
    /\t/.test(value) && 'a tab',
    /[^\S\r\n\t\u2028\u2029]/u.test(value) && 'a blank',
    /["'`“”„‘’‚]/u.test(value) && 'a quote',
    /[^\P{C}\s]/u.test(value) && 'an invisible character',
  ].filter(Boolean);
  return found.length > 0 ? found.join(' and ') : undefined;
}
