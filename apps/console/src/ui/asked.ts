import { type Inputs, useCallback, useEffect, useRef, useState } from 'preact/hooks';
import { Refused } from '../api/client.ts';

/** Something that was asked for, and whether it is there. */
export type Asked<T> =
  | { readonly state: 'loading' }
  /** `isForbidden`: whoever asks may not have it, however often it is asked. */
  | { readonly state: 'failed'; readonly message: string; readonly isForbidden: boolean }
  | { readonly state: 'ready'; readonly value: T };

/** What was asked for; `again` asks anew at once, `refresh` unless an answer is awaited, so that slow ones come at all. */
type Asking<T> = [asked: Asked<T>, again: () => void, refresh: () => void];

/** Asks once, again when an input changes, and whenever that is wanted; the last answer stays until the next is there. */
export function useAsked<T>(load: (signal: AbortSignal) => Promise<T>, inputs: Inputs): Asking<T> {
  const [asked, setAsked] = useState<Asked<T>>({ state: 'loading' });
  const [round, setRound] = useState(0);
  const waits = useRef(false);
  useEffect(() => {
    const left = new AbortController();
    waits.current = true;
    const end = (outcome: Asked<T>): void => {
      if (left.signal.aborted) return;
      waits.current = false;
      setAsked(outcome);
    };
    load(left.signal).then(
      (value) => end({ state: 'ready', value }),
      (error: unknown) => end(failure(error)),
    );
    return () => left.abort();
  }, [...inputs, round]);
  const again = useCallback(() => setRound((n) => n + 1), []);
  const refresh = useCallback(() => {
    if (!waits.current) again();
  }, []);
  return [asked, again, refresh];
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
