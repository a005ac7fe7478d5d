/** What a name may not have: what a terminal obeys, what ends a line, what turns the text after it, and nothing to see. */
export const UNSEEMLY_NAMES: [string, string][] = [
  ['an escape sequence', 'a\u001b[31mb'],
  ['a line feed', 'a\nb'],
  ['a carriage return', 'a\rb'],
  ['a tab', 'a\tb'],
  ['a character of C1', 'a\u009bb'],
  ['a next line', 'a\u0085b'],
  ['a line separator', 'a\u2028b'],
  ['a paragraph separator', 'a\u2029b'],
  ['a right-to-left override', 'a\u202eb'],
  ['a left-to-right embedding', '\u202aab'],
  ['a right-to-left isolate', 'a\u2067b'],
  ['the end of an isolate', 'ab\u2069'],
  ['zero-width spaces alone', '\u200b\u200b'],
  ['joiners alone', '\u200d\u200c'],
  ['fillers alone', '\u3164\u115f'],
  ['variation selectors and tags alone', '\ufe0f\u{e0041}'],
  ['soft hyphens and blanks alone', '\u00ad \u00ad'],
  ['an empty Braille pattern alone', '\u2800'],
  ['direction marks alone', '\u200e\u200f'],
];

export const SEEMLY_NAMES: [string, string][] = [
  ['a joiner of Persian', '\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645'],
  ['a family of emoji', '\u{1f468}\u200d\u{1f469}\u200d\u{1f467}'],
  ['a flag of tags', '\u{1f3f4}\u{e0067}\u{e0062}\u{e0065}\u{e006e}\u{e0067}\u{e007f}'],
  ['a mark of direction beside Hebrew', '\u05d0\u05d1\u200f (1)'],
  ['one letter', 'x'],
  ['an ideographic space inside', '\u5c71\u3000\u7530'],
];
