/** The errors a user or an operator can meet. Everything may import this; it imports nothing. */

/**
 * Base of every expected failure. A plain `Error` means a bug.
 * `code` is stable and machine-readable; `message` says what was wrong, where, and what to do.
 */
export abstract class ArgosyError extends Error {
  abstract readonly code: string;
  /** True when the same call may succeed later without any change. */
  abstract readonly retryable: boolean;
}

/** One thing wrong with an input; `path` names the field, flag or file. */
export interface Problem {
  readonly path: string;
  readonly message: string;
}

/** The caller's input cannot be used. Lists every fault found, not only the first. */
export class InvalidInput extends ArgosyError {
  override readonly name = 'InvalidInput';
  readonly code = 'validation_failed';
  readonly retryable = false;
  readonly problems: readonly Problem[];
  constructor(problems: readonly Problem[], options?: ErrorOptions) {
    super(problems.map((p) => (p.path ? `${p.path}: ${p.message}` : p.message)).join('\n'), options);
    this.problems = problems;
  }
}

/** Something named by the caller does not exist (or is not theirs to see). */
export class NotFound extends ArgosyError {
  override readonly name = 'NotFound';
  readonly code = 'not_found';
  readonly retryable = false;
}

/** The request is sound but the thing it acts on is in a state that does not allow it. */
export class InvalidState extends ArgosyError {
  override readonly name = 'InvalidState';
  readonly code = 'invalid_state';
  readonly retryable = false;
}

/** A call was given up because the caller's `AbortSignal` fired. `reason` says who asked and why. */
export class Aborted extends ArgosyError {
  override readonly name = 'Aborted';
  readonly code = 'aborted';
  readonly retryable = false;
}

/** A wait ran past its deadline. */
export class DeadlineExceeded extends ArgosyError {
  override readonly name = 'DeadlineExceeded';
  readonly code = 'deadline_exceeded';
  readonly retryable = true;
  readonly limitMs: number;
  constructor(what: string, limitMs: number, options?: ErrorOptions) {
    super(`${what} gave no result within ${limitMs} ms`, options);
    this.limitMs = limitMs;
  }
}

/** A service that this process needs (database, model server, gateway) cannot be used now. */
export class Unavailable extends ArgosyError {
  override readonly name = 'Unavailable';
  readonly code = 'unavailable';
  readonly retryable = true;
}

/**
 * How a failed tool or model call is to be treated.
 * `transient` retry soon; `quota` retry after a delay; `blocked` never allowed from here; `empty` worked and found
 * nothing (the only class that may be told as "no results"); `invalid` the call itself was wrong.
 */
export type FaultKind = 'transient' | 'quota' | 'blocked' | 'empty' | 'invalid';

/** The message of anything thrown, for logs and for wrapping. */
export function messageOf(thrown: unknown): string {
  // By shape and not by class: an error of another realm (a worker, a test's sandbox) is no instance of our `Error`.
  const { message, name, code, errno } = (thrown ?? {}) as Partial<
    Record<'message' | 'name' | 'code' | 'errno', unknown>
  >;
  if (typeof message === 'string' && message !== '') return message;
  const parts = [name, code, errno].filter((part) => typeof part === 'string' || typeof part === 'number');
  return parts.length > 0 ? parts.join(' ') : String(thrown);
}
