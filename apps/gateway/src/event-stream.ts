import { PassThrough, type Readable } from 'node:stream';
import type { Runs } from '#runs';
import { eventStreams } from './instruments.ts';
import { endedSse, heartbeatSse, toDeltaSse, toSse } from './resources.ts';

/** What all event streams of a gateway have in common. */
export interface StreamSettings {
  /** Time between two comments that keep a quiet stream open. */
  readonly heartbeatMs: number;
  /** Ends every stream; clients resume elsewhere. */
  readonly closing: AbortSignal;
}

export interface FollowOptions extends StreamSettings {
  readonly tenantId: string;
  readonly runId: string;
  /** Ends this stream: whoever follows it may not any more. */
  readonly ends: AbortSignal;
  /** Number of the last durable event that the client has; 0 for none. */
  readonly after: number;
}

/**
 * A run's events as they come, ending with the terminal one. A client that leaves ends the stream and nothing else.
 */
export function eventStream(runs: Runs, options: FollowOptions): Readable {
  const { tenantId, runId, after, ends, heartbeatMs, closing } = options;
  const out = new PassThrough();
  const left = new AbortController();
  const heartbeat = setInterval(() => out.write(heartbeatSse), heartbeatMs);
  const unsubscribe = runs.onDelta(tenantId, runId, (delta) => {
    // A client that reads too slowly misses deltas rather than filling our memory.
    if (!out.writableNeedDrain) out.write(toDeltaSse(delta));
  });
  eventStreams.add(1);
  const leave = (): void => left.abort();
  const expel = (): void => {
    out.write(endedSse);
    leave();
  };
  closing.addEventListener('abort', leave);
  ends.addEventListener('abort', expel);
  if (closing.aborted || ends.aborted) leave();
  out.on('close', () => {
    eventStreams.add(-1);
    leave();
    closing.removeEventListener('abort', leave);
    ends.removeEventListener('abort', expel);
    clearInterval(heartbeat);
    unsubscribe();
  });
  const pump = async (): Promise<void> => {
    for await (const event of runs.events(tenantId, runId, after, left.signal)) {
      if (!out.write(toSse(event))) await drained(out);
    }
    out.end();
  };
  pump().catch((error: unknown) => out.destroy(error instanceof Error ? error : new Error(String(error))));
  return out;
}

async function drained(out: PassThrough): Promise<void> {
  await new Promise<void>((resolve) => {
    out.once('drain', resolve);
    out.once('close', resolve);
  });
}
