/** Failures as gRPC statuses, with what a caller needs to act on them: those of the service and those of a shard. */
import { Metadata, type StatusObject, status } from '@grpc/grpc-js';
import { rpcDetails, rpcStatus } from '#contracts/rpc';
import { ArgosyError, InvalidInput, messageOf } from '#errors';

/** How each expected failure is told; what is retryable and not listed is UNAVAILABLE, anything else a bug and INTERNAL. */
const codes: Readonly<Record<string, status>> = {
  validation_failed: status.INVALID_ARGUMENT,
  constraint_too_large: status.INVALID_ARGUMENT,
  nothing_can_follow: status.INVALID_ARGUMENT,
  prompt_too_long: status.OUT_OF_RANGE,
  no_room: status.RESOURCE_EXHAUSTED,
  sessions_full: status.RESOURCE_EXHAUSTED,
  shard_full: status.RESOURCE_EXHAUSTED,
  stale_placement: status.FAILED_PRECONDITION,
  not_found: status.NOT_FOUND,
  already_running: status.ALREADY_EXISTS,
  deadline_exceeded: status.DEADLINE_EXCEEDED,
  aborted: status.CANCELLED,
};

/** Asked for with these statuses, where a failure names no time itself. */
const usualRetryMs = 1_000;
const told: ReadonlySet<status> = new Set([status.UNAVAILABLE, status.RESOURCE_EXHAUSTED]);

/** Causes that callers tell apart from others of the same status: told as `google.rpc.ErrorInfo`. */
const reasons: Readonly<Record<string, string>> = { no_room: 'TOO_MANY_WAIT', sessions_full: 'SESSIONS_FULL' };
const domain = 'argosy.inference';

/** Headers have their limit; what is longer than this says no more. */
const mostCharacters = 2_000;

/** The failure with `google.rpc.BadRequest`, or `RetryInfo` and `ErrorInfo`, in its details. */
export function statusOf(error: unknown): Error & StatusObject {
  const code = codeOf(error);
  const details = messageOf(error).slice(0, mostCharacters);
  const metadata = new Metadata();
  const packed = packedDetails(error, code);
  if (packed.length > 0) {
    const whole = rpcStatus.Status.encode(rpcStatus.Status.fromPartial({ code, message: details, details: packed }));
    metadata.set('grpc-status-details-bin', Buffer.from(whole.finish()));
  }
  return Object.assign(new Error(details), { code, details, metadata });
}

function codeOf(error: unknown): status {
  if (!(error instanceof ArgosyError)) return status.INTERNAL;
  return codes[error.code] ?? (error.retryable ? status.UNAVAILABLE : status.INTERNAL);
}

function packedDetails(error: unknown, code: status): { typeUrl: string; value: Buffer }[] {
  if (error instanceof InvalidInput) {
    // As many as fit: the whole list would not pass as a header.
    const fieldViolations = error.problems
      .slice(0, 16)
      .map(({ path, message }) => ({ field: path.slice(0, 100), description: message.slice(0, 200) }));
    const request = rpcDetails.BadRequest.fromPartial({ fieldViolations });
    return [{ typeUrl: urlOf('BadRequest'), value: Buffer.from(rpcDetails.BadRequest.encode(request).finish()) }];
  }
  if (!told.has(code) || !(error instanceof ArgosyError) || !error.retryable) return [];
  const ms = retryAfterOf(error);
  const retryDelay = { seconds: Math.floor(ms / 1000), nanos: (ms % 1000) * 1_000_000 };
  const info = rpcDetails.RetryInfo.fromPartial({ retryDelay });
  const retry = { typeUrl: urlOf('RetryInfo'), value: Buffer.from(rpcDetails.RetryInfo.encode(info).finish()) };
  const reason = reasons[error.code];
  if (reason === undefined) return [retry];
  const why = rpcDetails.ErrorInfo.fromPartial({ reason, domain });
  return [retry, { typeUrl: urlOf('ErrorInfo'), value: Buffer.from(rpcDetails.ErrorInfo.encode(why).finish()) }];
}

function retryAfterOf(error: unknown): number {
  const { retryAfterMs } = (error ?? {}) as Partial<Record<'retryAfterMs', unknown>>;
  return typeof retryAfterMs === 'number' ? Math.round(retryAfterMs) : usualRetryMs;
}

function urlOf(name: string): string {
  return `type.googleapis.com/google.rpc.${name}`;
}

/** The status of a call that failed; null for what is no failure of a call. */
export function codeOfCall(error: unknown): status | null {
  const { code } = (error ?? {}) as Partial<Record<'code', unknown>>;
  return typeof code === 'number' && code in status ? code : null;
}
