/** One server-sent event. Durable ones have a number; text as it is written has none. */
export interface SentEvent {
  readonly id: number | null;
  readonly type: string;
  readonly data: Readonly<Record<string, unknown>>;
}

/** Reads `text/event-stream` as the gateway writes it, in pieces of any size: LF, one `data` line, JSON. */
export class SseReader {
  #rest = '';

  /** The events that end in this piece. */
  push(text: string): SentEvent[] {
    const blocks = (this.#rest + text).split('\n\n');
    this.#rest = blocks.pop() ?? '';
    return blocks.flatMap((block) => eventOf(block) ?? []);
  }
}

/** Null for a comment. */
function eventOf(block: string): SentEvent | null {
  let [id, type, data]: [number | null, string, string | null] = [null, 'message', null];
  for (const line of block.split('\n')) {
    if (line.startsWith('id: ')) id = Number(line.slice(4));
    else if (line.startsWith('event: ')) type = line.slice(7);
    else if (line.startsWith('data: ')) data = line.slice(6);
  }
  if (data === null) return null;
  return { id, type, data: JSON.parse(data) as SentEvent['data'] }; // written by the gateway
}
