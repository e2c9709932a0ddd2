import { useEffect, useRef, useState } from 'preact/hooks';
import { ask } from '../api/client.ts';
import { follow, type Line } from '../api/follow.ts';
import type { RunResource } from '../libs.ts';
import { wordsOf } from '../ui/asked.ts';
import { RunLog } from './run-log.ts';

/** A run as this page knows it now. */
export interface Followed {
  readonly log: RunLog;
  readonly line: Line;
  /** What the server keeps of it; null until it has answered. */
  readonly run: RunResource | null;
  readonly fault: string | null;
  /** Asks the server anew, after something was done to the run. */
  readonly again: () => void;
}

/** Follows a run for as long as the view is there. Events that come together are drawn together. */
export function useRun(runId: string): Followed {
  const log = useRef(new RunLog()).current;
  const [, draw] = useState(0);
  const [line, setLine] = useState<Line>('connecting');
  const [run, setRun] = useState<RunResource | null>(null);
  const [fault, setFault] = useState<string | null>(null);
  const [round, setRound] = useState(0);

  useEffect(() => {
    const left = new AbortController();
    const schedule = onceAFrame(() => draw((n) => n + 1));
    const onLine = (now: Line): void => {
      if (now === 'live') log.forgetWriting();
      setLine(now);
      if (now === 'ended') setRound((n) => n + 1);
    };
    const onEvents = (events: Parameters<Parameters<typeof follow>[1]['onEvents']>[0]): void => {
      for (const event of events) log.take(event);
      schedule();
    };
    follow(runId, { after: log.last, onEvents, onLine, signal: left.signal }).catch((error: unknown) =>
      setFault(wordsOf(error)),
    );
    return () => left.abort();
  }, [runId]);

  useEffect(() => {
    const left = new AbortController();
    ask<RunResource>(`/v1/research/${runId}`, { signal: left.signal }).then(setRun, (error: unknown) => {
      if (!left.signal.aborted) setFault(wordsOf(error));
    });
    return () => left.abort();
  }, [runId, round]);

  return { log, line, run, fault, again: () => setRound((n) => n + 1) };
}

/**
 * The first call is at once, and many in one frame are one in the next. A page in the background has no frames, and catches
 * up with its first.
 */
function onceAFrame(act: () => void): () => void {
  let [resting, due] = [false, false];
  const rest = (): void => {
    resting = true;
    requestAnimationFrame(() => {
      resting = false;
      if (!due) return;
      due = false;
      act();
      rest();
    });
  };
  return () => {
    if (resting) {
      due = true;
      return;
    }
    act();
    rest();
  };
}
