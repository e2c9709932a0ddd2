import type { Span } from '#domain';

/** The JSON of a value, and where in it each part stands, by JSON Pointer (RFC 6901). Cost O(length). */
export function spannedJson(value: unknown): { readonly text: string; readonly spans: ReadonlyMap<string, Span> } {
  const spans = new Map<string, Span>();
  let text = '';
  const write = (part: unknown, pointer: string): void => {
    const start = text.length;
    if (Array.isArray(part)) writeAll('[', part.entries(), pointer, ']');
    else if (typeof part === 'object' && part !== null) writeAll('{', Object.entries(part), pointer, '}');
    else text += JSON.stringify(part ?? null);
    spans.set(pointer, { start, end: text.length });
  };
  const writeAll = (open: string, parts: Iterable<[string | number, unknown]>, pointer: string, close: string) => {
    let before = open;
    for (const [name, part] of parts) {
      text += before;
      if (typeof name === 'string') text += `${JSON.stringify(name)}:`;
      write(part, `${pointer}/${String(name).replaceAll('~', '~0').replaceAll('/', '~1')}`);
      before = ',';
    }
    text += before === open ? open + close : close;
  };
  write(value, '');
  return { text, spans };
}
