import type { Clock } from './clock.ts';

/** Gives up on a peer that says nothing for too long. */
export interface SilenceWatch {
  /** Fires when the limit passed without a sign of life; its reason is the limit in ms. */
  readonly signal: AbortSignal;
  /** A sign of life; from now on `limitMs` counts. */
  heard(limitMs: number): void;
  /** Must be called at the end: frees the timer. */
  end(): void;
}

/** A sign of life sets no timer anew: the one that runs looks again when it ends, unless the limit became shorter. */
export function silenceWatch(clock: Clock, firstLimitMs: number): SilenceWatch {
  const silent = new AbortController();
  let limitMs = firstLimitMs;
  let dueAt = clock.now() + limitMs;
  let wakesAt = dueAt;
  let ended = false;
  let wake = new AbortController();
  const watch = async (): Promise<void> => {
    while (!ended) {
      const restMs = dueAt - clock.now();
      if (restMs <= 0) return silent.abort(limitMs);
      wake = new AbortController();
      wakesAt = dueAt;
      await clock.sleep(restMs, wake.signal);
    }
  };
  void watch();
  return {
    signal: silent.signal,
    heard(nextLimitMs) {
      limitMs = nextLimitMs;
      dueAt = clock.now() + limitMs;
      if (dueAt < wakesAt) wake.abort();
    },
    end() {
      ended = true;
      wake.abort();
    },
  };
}
