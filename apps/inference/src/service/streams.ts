import { once } from 'node:events';
import type { ServerWritableStream } from '@grpc/grpc-js';
import { DeadlineExceeded } from '#errors';
import { statusOf } from '../transport/status.ts';

/** Fires when the caller of a stream leaves, or its own deadline passes. */
export function leavingOf(call: ServerWritableStream<unknown, unknown>): AbortSignal {
  const left = new AbortController();
  const leave = (): void => left.abort('the caller left');
  call.once('cancelled', leave);
  if (call.cancelled) leave();
  return left.signal;
}

/** A caller that takes nothing for so long gets nothing more: what is kept for it is kept from others. */
const mostStillMs = 60_000;

/**
 * Answers a call with a stream of messages, no faster than the caller takes them; what is thrown becomes its status.
 * @param left ends the wait for a caller that takes nothing any more @param stillMs the longest such wait
 */
export async function answer<T>(
  call: ServerWritableStream<unknown, T>,
  messages: AsyncIterable<T>,
  left: AbortSignal,
  stillMs = mostStillMs,
): Promise<void> {
  try {
    for await (const message of messages) {
      if (left.aborted) break;
      if (!call.write(message)) await drained(call, left, stillMs);
    }
    call.end();
  } catch (error) {
    if (left.aborted) call.end();
    else call.emit('error', statusOf(error));
  }
}

/** @throws DeadlineExceeded when the caller takes nothing, and what the signal says */
async function drained(
  call: ServerWritableStream<unknown, unknown>,
  left: AbortSignal,
  stillMs: number,
): Promise<void> {
  const still = new AbortController();
  const timer = setTimeout(() => still.abort(), stillMs);
  try {
    await once(call, 'drain', { signal: AbortSignal.any([left, still.signal]) });
  } catch (error) {
    if (still.signal.aborted && !left.aborted) throw new DeadlineExceeded('a caller that reads none of it', stillMs);
    throw error;
  } finally {
    clearTimeout(timer);
  }
}
