import { Aborted, messageOf } from '#errors';
import { ModelBusy, ModelFault } from './chat-model.ts';
import type { Clock } from './clock.ts';
import type { Failed } from './openai-faults.ts';

/** When to try a model call again, and when to stop. */
export interface RetryPolicy {
  /** All tries, the first included. Default 4. */
  readonly tries: number;
  /** Wait before the second try; doubles with each further one, minus up to half at random. Default 500. */
  readonly firstDelayMs: number;
  /** Longest wait of our own. Default 15,000. */
  readonly maxDelayMs: number;
  /** Longest wait that a server's Retry-After is given. Default 60,000. */
  readonly maxRetryAfterMs: number;
  /** All tries and waits together. Default 900,000. */
  readonly deadlineMs: number;
}

export const defaultRetryPolicy: RetryPolicy = {
  tries: 4,
  firstDelayMs: 500,
  maxDelayMs: 15_000,
  maxRetryAfterMs: 60_000,
  deadlineMs: 900_000,
};

/** What one try came to. A thrown error is a bug and is not tried again. */
export type Attempt<T> =
  | { readonly ok: true; readonly value: T }
  /** `leave`: not to be tried again from here; whoever asks can wait without holding a place up. */
  | (Failed & { readonly leave?: boolean });

export interface RetryContext {
  readonly policy: RetryPolicy;
  readonly clock: Clock;
  /** Uniform in [0, 1). */
  readonly random: () => number;
  /** The caller's wish to stop. */
  readonly signal: AbortSignal;
}

/** What came in the end, and at which try. */
interface Tried<T> {
  readonly value: T;
  readonly tries: number;
}

/**
 * Tries until one succeeds, the fault is not retryable, or tries or time run out.
 * @param attempt gets a signal that fires on the caller's and on the deadline
 * @throws ModelFault the last one, saying how often it was tried; Aborted when `signal` fired
 */
export async function retrying<T>(
  attempt: (signal: AbortSignal) => Promise<Attempt<T>>,
  context: RetryContext,
): Promise<Tried<T>> {
  const { policy, clock, signal } = context;
  const over = new AbortController();
  const done = new AbortController();
  void clock.sleep(policy.deadlineMs, done.signal).then(() => over.abort());
  try {
    return await tryAll(attempt, context, AbortSignal.any([signal, over.signal]), clock.now() + policy.deadlineMs);
  } finally {
    done.abort();
  }
}

async function tryAll<T>(
  attempt: (signal: AbortSignal) => Promise<Attempt<T>>,
  context: RetryContext,
  stop: AbortSignal,
  endsAt: number,
): Promise<Tried<T>> {
  const { policy, clock, signal } = context;
  for (let tried = 1; ; tried++) {
    throwIfAborted(signal);
    const result = await attempt(stop);
    throwIfAborted(signal);
    if (result.ok) return { value: result.value, tries: tried };
    const { fault } = result;
    if (!fault.retryable || result.leave === true) throw fault;
    const waitMs = waitOf(result.retryAfterMs, tried, context);
    if (tried >= policy.tries) throw given(fault, `Tried ${tried} times`);
    if (stop.aborted || clock.now() + waitMs >= endsAt) {
      throw given(
        fault,
        `Given up after ${tried} ${tried === 1 ? 'try' : 'tries'}: ${policy.deadlineMs} ms are the limit of one call`,
      );
    }
    await clock.sleep(waitMs, stop);
  }
}

function waitOf(retryAfterMs: number | undefined, tried: number, { policy, random }: RetryContext): number {
  if (retryAfterMs !== undefined) return Math.min(retryAfterMs, policy.maxRetryAfterMs);
  const full = Math.min(policy.firstDelayMs * 2 ** (tried - 1), policy.maxDelayMs);
  return Math.round(full * (1 - random() / 2));
}

function given(fault: ModelFault, why: string): ModelFault {
  const message = `${fault.message} (${why})`;
  if (fault instanceof ModelBusy) return new ModelBusy(message, fault.retryAfterMs, { cause: fault });
  return new ModelFault(fault.kind, message, { cause: fault });
}

function throwIfAborted(signal: AbortSignal): void {
  if (signal.aborted) {
    throw new Aborted(`the model call was stopped: ${messageOf(signal.reason)}`, { cause: signal.reason });
  }
}
