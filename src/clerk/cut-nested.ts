const MAX_LEVELS = 64;

/**
 * The value without the lists and objects that lie deeper than 64 levels; null stands in their place. Users write metadata from the
 * browser, 4,000 levels in 8 KB, and `JSON.stringify` overflows the stack at less. This walk goes no deeper than it keeps.
 */
export function cutNested<Value>(value: Value, levels = MAX_LEVELS): Value {
  if (typeof value !== 'object' || value === null) return value;
  if (levels === 0) return null as Value;
  if (Array.isArray(value)) return value.map((inner: unknown) => cutNested(inner, levels - 1)) as Value;
  const kept = Object.entries(value).map(([key, inner]) => [key, cutNested<unknown>(inner, levels - 1)]);
  return Object.fromEntries(kept) as Value;
}
