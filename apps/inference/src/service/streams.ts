import { once } from 'node:events';
import type { ServerWritableStream } from '@grpc/grpc-js';
import { statusOf } from '../transport/status.ts';

/** Fires when the caller of a stream leaves, or its own deadline passes. */
export function leavingOf(call: ServerWritableStream<unknown, unknown>): AbortSignal {
  const left = new AbortController();
  const leave = (): void => left.abort('the caller left');
  call.once('cancelled', leave);
  if (call.cancelled) leave();
  return left.signal;
}

/**
 * Answers a call with a stream of messages, no faster than the caller takes them; what is thrown becomes its status.
 * @param left ends the wait for a caller that takes nothing any more
 */
export async function answer<T>(
  call: ServerWritableStream<unknown, T>,
  messages: AsyncIterable<T>,
  left: AbortSignal,
): Promise<void> {
  try {
    for await (const message of messages) {
      if (left.aborted) break;
      if (!call.write(message)) await once(call, 'drain', { signal: left });
    }
    call.end();
  } catch (error) {
    if (left.aborted) call.end();
    else call.emit('error', statusOf(error));
  }
}
