/**
 * JSON that PostgreSQL takes as jsonb: it refuses NUL and lone surrogates, which models and pages do produce.
 * Each is replaced by U+FFFD, one code unit for one, so that text offsets stay true.
 */
export function toJsonb(value: unknown): string {
  return JSON.stringify(value, (_key, item: unknown) => (typeof item === 'string' ? storable(item) : item));
}

/** Text that PostgreSQL can store, of the same length in UTF-16 code units. */
export function storable(text: string): string {
  const wellFormed = text.isWellFormed() ? text : text.toWellFormed();
  return wellFormed.includes('\0') ? wellFormed.replaceAll('\0', '\ufffd') : wellFormed;
}
