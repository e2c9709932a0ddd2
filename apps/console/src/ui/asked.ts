import { type Inputs, useCallback, useEffect, useState } from 'preact/hooks';
import { Refused } from '../api/client.ts';

/** Something that was asked for, and whether it is there. */
export type Asked<T> =
  | { readonly state: 'loading' }
  /** `isForbidden`: whoever asks may not have it, however often it is asked. */
  | { readonly state: 'failed'; readonly message: string; readonly isForbidden: boolean }
  | { readonly state: 'ready'; readonly value: T };

/** Asks once, again when an input changes, and whenever `again` is called; the last answer stays until the next is there. */
export function useAsked<T>(load: (signal: AbortSignal) => Promise<T>, inputs: Inputs): [Asked<T>, () => void] {
  const [asked, setAsked] = useState<Asked<T>>({ state: 'loading' });
  const [round, setRound] = useState(0);
  useEffect(() => {
    const left = new AbortController();
    load(left.signal).then(
      (value) => !left.signal.aborted && setAsked({ state: 'ready', value }),
      (error: unknown) => !left.signal.aborted && setAsked(failure(error)),
    );
    return () => left.abort();
  }, [...inputs, round]);
  return [asked, useCallback(() => setRound((n) => n + 1), [])];
}

function failure(error: unknown): Extract<Asked<never>, { state: 'failed' }> {
  return { state: 'failed', message: wordsOf(error), isForbidden: error instanceof Refused && error.status === 403 };
}

export function wordsOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** Calls back every so many milliseconds while the page is looked at. */
export function useEvery(ms: number, act: () => void): void {
  useEffect(() => {
    const timer = setInterval(() => document.visibilityState === 'visible' && act(), ms);
    return () => clearInterval(timer);
  }, [ms, act]);
}
