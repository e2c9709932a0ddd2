import { PassThrough, type Readable } from 'node:stream';
import { type Runs, topics } from '#runs';
import { heartbeatSse, toDeltaSse, toSse } from './resources.ts';

export interface FollowOptions {
  readonly tenantId: string;
  readonly runId: string;
  /** Number of the last durable event that the client has; 0 for none. */
  readonly after: number;
  readonly heartbeatMs: number;
}

/**
 * A run's events as they come, ending with the terminal one. A client that leaves ends the stream and nothing else.
 */
export function eventStream(runs: Runs, { tenantId, runId, after, heartbeatMs }: FollowOptions): Readable {
  const out = new PassThrough();
  const left = new AbortController();
  const heartbeat = setInterval(() => out.write(heartbeatSse), heartbeatMs);
  const unsubscribe = runs.bus.subscribe(topics.delta(tenantId, runId), (text) => {
    // A client that reads too slowly misses deltas rather than filling our memory.
    if (!out.writableNeedDrain) out.write(toDeltaSse(text));
  });
  out.on('close', () => {
    left.abort();
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
