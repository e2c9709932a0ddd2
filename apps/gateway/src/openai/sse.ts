import { Readable } from 'node:stream';
import type { ResponseEvent } from '#contracts';
import { heartbeatSse } from '../resources.ts';

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

/**
 * Server-sent events as they are made, with a comment whenever nothing was for a while. Nothing is made that the client
 * has not taken what came before of: a slow one holds up its own stream only.
 */
export function sseOf(chunks: AsyncIterable<string>, heartbeatMs: number): Readable {
  return Readable.from(withHeartbeats(chunks[Symbol.asyncIterator](), heartbeatMs), { objectMode: false });
}

async function* withHeartbeats(chunks: AsyncIterator<string>, heartbeatMs: number): AsyncGenerator<string> {
  try {
    let next = chunks.next();
    for (;;) {
      const came = await within(next, heartbeatMs);
      if (came === null) yield heartbeatSse;
      else if (came.done) return;
      else {
        yield came.value;
        next = chunks.next();
      }
    }
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
