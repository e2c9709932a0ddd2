import { Readable } from 'node:stream';
import type { ResponseEvent } from '#contracts';
import { eventStreams } from '../instruments.ts';
import { endedSse, heartbeatSse } from '../resources.ts';

/** Data without a name, as the older protocol streams them. */
export function toData(value: object | '[DONE]'): string {
  return `data: ${typeof value === 'string' ? value : JSON.stringify(value)}\n\n`;
}

export const sseHeaders = {
  'content-type': 'text/event-stream; charset=utf-8',
  'cache-control': 'no-store',
  'x-accel-buffering': 'no',
} as const;

/** Events of a response as server-sent events, from behind the number that the client has. */
export async function* toResponseSse(events: AsyncIterable<ResponseEvent>, after: number): AsyncGenerator<string> {
  for await (const event of events) {
    if (event.sequence_number > after) yield `event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`;
  }
}

export interface SseOptions {
  /** Time between two comments that keep a quiet stream open. */
  readonly heartbeatMs: number;
  /** Fires when the client may not go on; it is told so where the events end. */
  readonly ends: AbortSignal;
}

/**
 * Server-sent events as they are made, with a comment whenever nothing was for a while. Nothing is made before the client
 * has taken what came before: a slow one holds up its own stream only.
 */
export function sseOf(chunks: AsyncIterable<string>, options: SseOptions): Readable {
  const stream = Readable.from(withHeartbeats(chunks[Symbol.asyncIterator](), options), { objectMode: false });
  eventStreams.add(1);
  return stream.once('close', () => eventStreams.add(-1));
}

async function* withHeartbeats(
  chunks: AsyncIterator<string>,
  { heartbeatMs, ends }: SseOptions,
): AsyncGenerator<string> {
  try {
    let next = chunks.next();
    for (;;) {
      const came = await within(next, heartbeatMs);
      if (came === null) yield heartbeatSse;
      else if (came.done) break;
      else {
        yield came.value;
        next = chunks.next();
      }
    }
    if (ends.aborted) yield endedSse;
  } finally {
    await chunks.return?.();
  }
}

/** Null where it takes longer. */
async function within<T>(promise: Promise<T>, ms: number): Promise<T | null> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<null>((resolve) => {
    timer = setTimeout(() => resolve(null), ms);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
