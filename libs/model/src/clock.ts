import { setTimeout as delay } from 'node:timers/promises';

/** Time as the model client sees it; tests bring their own. */
export interface Clock {
  /** Milliseconds since 1970, never running backwards. */
  now(): number;
  /** Resolves after `ms`, or at once when `signal` fires; never rejects. */
  sleep(ms: number, signal: AbortSignal): Promise<void>;
}

export const systemClock: Clock = {
  now: () => performance.timeOrigin + performance.now(),
  async sleep(ms, signal) {
    try {
      await delay(ms, undefined, { signal });
    } catch (error) {
      if (!signal.aborted) throw error;
    }
  },
};
