import { Refused, send } from './client.ts';
import { type SentEvent, SseReader } from './sse.ts';

/** How the line to the server stands. */
export type Line = 'connecting' | 'live' | 'lost' | 'ended';

export interface FollowOptions {
  /** Number of the last event that is known; 0 for none. */
  readonly after: number;
  readonly onEvents: (events: readonly SentEvent[]) => void;
  readonly onLine: (line: Line) => void;
  readonly signal: AbortSignal;
}

/** The gateway says something every 15 s; a line that is silent for longer than this is dead, whatever it looks like. */
const silenceMs = 40_000;

/** Nothing comes behind these. */
const terminal: ReadonlySet<string> = new Set(['run.completed', 'run.incomplete', 'run.failed', 'run.cancelled']);

const firstPauseMs = 250;
const longestPauseMs = 5_000;

/**
 * Follows a run to its end, over as many connections as it takes: each goes on behind the last number that came, so
 * that nothing is missing, and nothing is told twice but text that was being written.
 * @throws Refused when the server says no for good
 */
export async function follow(runId: string, options: FollowOptions): Promise<void> {
  let { after } = options;
  let pauseMs = firstPauseMs;
  let ended = false;
  const take = (events: readonly SentEvent[]): void => {
    pauseMs = firstPauseMs;
    ended ||= events.some(({ type }) => terminal.has(type));
    after = events.reduce((last, { id }) => id ?? last, after);
    options.onEvents(events);
  };
  options.onLine('connecting');
  while (!options.signal.aborted) {
    try {
      if ((await connectOnce(runId, after, { ...options, take })) || ended) return options.onLine('ended');
    } catch (error) {
      if (options.signal.aborted) return;
      if (error instanceof Refused && !error.retryable) throw error;
    }
    if (options.signal.aborted) return;
    options.onLine('lost');
    await pause(pauseMs, options.signal);
    pauseMs = Math.min(2 * pauseMs, longestPauseMs);
  }
}

interface Connection extends FollowOptions {
  readonly take: (events: readonly SentEvent[]) => void;
}

/** @returns whether the run has ended */
async function connectOnce(runId: string, after: number, { take, onLine, signal }: Connection): Promise<boolean> {
  const silence = new AbortController();
  const cut = (): void => silence.abort();
  let timer = setTimeout(cut, silenceMs);
  // Without a network nothing comes; it is told by the browser long before the silence tells it.
  addEventListener('offline', cut);
  try {
    const response = await send(`/v1/research/${runId}/events`, {
      headers: { 'last-event-id': String(after) },
      signal: AbortSignal.any([signal, silence.signal]),
    });
    if (response.status === 204 || response.body === null) return true;
    onLine('live');
    const [reader, decoder, body] = [new SseReader(), new TextDecoder(), response.body.getReader()];
    for (;;) {
      const { value, done } = await body.read();
      if (done) return false;
      clearTimeout(timer);
      timer = setTimeout(cut, silenceMs);
      const events = reader.push(decoder.decode(value, { stream: true }));
      if (events.length > 0) take(events);
    }
  } finally {
    clearTimeout(timer);
    removeEventListener('offline', cut);
  }
}

/** Ends early when the browser has a network again. */
async function pause(ms: number, signal: AbortSignal): Promise<void> {
  await new Promise<void>((resolve) => {
    const timer = setTimeout(resolve, ms);
    addEventListener('online', () => resolve(), { once: true, signal });
    const stop = (): void => {
      clearTimeout(timer);
      resolve();
    };
    signal.addEventListener('abort', stop, { once: true });
  });
}
