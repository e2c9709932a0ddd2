/** One server-sent event. Durable ones have a number; text as it is written has none. */
export interface SentEvent {
  readonly id: number | null;
  readonly type: string;
  readonly data: Readonly<Record<string, unknown>>;
}

/** Reads `text/event-stream` as the gateway writes it, in pieces of any size: LF, one `data` line, JSON. */
export class SseReader {
  #rest = '';

  /** The events that end in this piece. Thousands come together when a run is opened: nothing is cut out but what is kept. */
  push(text: string): SentEvent[] {
    const whole = this.#rest + text;
    const events: SentEvent[] = [];
    let from = 0;
    for (let end = whole.indexOf('\n\n'); end !== -1; end = whole.indexOf('\n\n', from)) {
      const event = eventIn(whole, from, end);
      if (event !== null) events.push(event);
      from = end + 2;
    }
    this.#rest = whole.slice(from);
    return events;
  }
}

/** Null for a comment. */
function eventIn(whole: string, from: number, end: number): SentEvent | null {
  let [id, type, data]: [number | null, string, string | null] = [null, 'message', null];
  for (let at = from; at < end; ) {
    const found = whole.indexOf('\n', at);
    const lineEnd = found === -1 || found > end ? end : found;
    if (whole.startsWith('id: ', at)) id = Number(whole.slice(at + 4, lineEnd));
    else if (whole.startsWith('event: ', at)) type = whole.slice(at + 7, lineEnd);
    else if (whole.startsWith('data: ', at)) data = whole.slice(at + 6, lineEnd);
    at = lineEnd + 1;
  }
  if (data === null) return null;
  return { id, type, data: JSON.parse(data) as SentEvent['data'] }; // written by the gateway
}
