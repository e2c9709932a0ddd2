import { canonicalJson } from '#domain';

/**
 * JSON that PostgreSQL takes as jsonb: it refuses NUL and lone surrogates, which models and pages do produce, in texts
 * as in names. Each is replaced by U+FFFD, one code unit for one, so that text offsets stay true.
 */
export function toJsonb(value: unknown): string {
  const text = JSON.stringify(value);
  // Well-formed JSON escapes exactly these, so a text without such escapes holds nothing to replace.
  return text === undefined || !refused.test(text) ? text : replaced(value);
}

/** Escapes of NUL and of lone surrogates; a backslash of the text itself may look like one, which costs only time. */
const refused = /\\u(?:0000|d[89a-f])/;

function replaced(value: unknown): string {
  return JSON.stringify(value, (_key, item: unknown) => {
    if (typeof item === 'string') return storable(item);
    if (!isRecord(item) || Object.keys(item).every((name) => storable(name) === name)) return item;
    return Object.fromEntries(Object.entries(item).map(([name, inner]) => [storable(name), inner]));
  });
}

/** One text for everything that jsonb holds for equal: it sorts names, so what is read back has another order. */
export function storedJson(value: unknown): string {
  return canonicalJson(JSON.parse(toJsonb(value)));
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Text that PostgreSQL can store, of the same length in UTF-16 code units. */
export function storable(text: string): string {
  const wellFormed = text.isWellFormed() ? text : text.toWellFormed();
  return wellFormed.includes('\0') ? wellFormed.replaceAll('\0', '\ufffd') : wellFormed;
}
