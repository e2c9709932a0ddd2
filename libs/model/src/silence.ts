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

/** One timer however many signs of life come. */
export function silenceWatch(clock: Clock, firstLimitMs: number): SilenceWatch {
  const silent = new AbortController();
  const ended = new AbortController();
  let limitMs = firstLimitMs;
  let heardAt = clock.now();
  const watch = async (): Promise<void> => {
    while (!ended.signal.aborted) {
      const restMs = heardAt + limitMs - clock.now();
      if (restMs <= 0) return silent.abort(limitMs);
      await clock.sleep(restMs, ended.signal);
    }
  };
  void watch();
  return {
    signal: silent.signal,
    heard(nextLimitMs) {
      limitMs = nextLimitMs;
      heardAt = clock.now();
    },
    end: () => ended.abort(),
  };
}
