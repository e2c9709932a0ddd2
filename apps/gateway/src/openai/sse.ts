import { Readable } from 'node:stream';
import type { ResponseEvent } from '#contracts';
import type { StreamSettings } from '../event-stream.ts';
import { eventStreams, slowClients } from '../instruments.ts';
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

export interface SseOptions extends Pick<StreamSettings, 'heartbeatMs' | 'stallMs'> {
  /** Fires when the client may not go on; it is told so where the events end. */
  readonly ends: AbortSignal;
}

/**
 * Server-sent events as they are made, with a comment whenever nothing was for a while. Nothing is made before the client
 * has taken what came before: a slow one holds up its own stream only, and one that takes nothing is cut off.
 */
export function sseOf(chunks: AsyncIterable<string>, options: SseOptions): Readable {
  const pieces = withHeartbeats(chunks[Symbol.asyncIterator](), options);
  const stream: Readable = Readable.from(
    takenInTime(pieces, options.stallMs, () => stream.destroy(new Error('The client takes nothing.'))),
    { objectMode: false },
  );
  eventStreams.add(1);
  return stream.once('close', () => eventStreams.add(-1));
}

/** The next piece is asked for when there is room for it. */
async function* takenInTime(
  pieces: AsyncIterable<string>,
  stallMs: number,
  cutOff: () => void,
): AsyncGenerator<string> {
  for await (const piece of pieces) {
    const stalled = setTimeout(() => {
      slowClients.add(1);
      cutOff();
    }, stallMs);
    try {
      yield piece;
    } finally {
      clearTimeout(stalled);
    }
  }
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
