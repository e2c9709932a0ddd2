/**
 * The data of each server-sent event, right at any border of the byte chunks (lines, CRLF, UTF-8). Comments and other
 * fields are passed over; an event that the stream's end cut off is still given.
 * Holds one event at a time; who gives the chunks bounds their sum.
 * Source: WHATWG HTML, "Server-sent events".
 */
export async function* sseData(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let pending = '';
  let data: string[] = [];
  const take = (line: string): string | undefined => {
    if (line !== '') {
      const field = /^data(?:: ?(.*))?$/s.exec(line);
      if (field) data.push(field[1] ?? '');
      return undefined;
    }
    const event = data.length > 0 ? data.join('\n') : undefined;
    data = [];
    return event;
  };
  for await (const chunk of chunks) {
    pending += decoder.decode(chunk, { stream: true });
    // A carriage return at the end may be half of a CRLF: it waits for what follows.
    const lines = pending.split(/\r\n|\n|\r(?!$)/);
    pending = lines.pop() ?? '';
    for (const line of lines) {
      const event = take(line);
      if (event !== undefined) yield event;
    }
  }
  for (const line of [...(pending + decoder.decode()).split(/\r\n|\n|\r/), '']) {
    const event = take(line);
    if (event !== undefined) yield event;
  }
}
