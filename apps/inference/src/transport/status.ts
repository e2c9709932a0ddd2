import { type ServiceError, status } from '@grpc/grpc-js';
import { ArgosyError, InvalidInput, messageOf, NotFound } from '#errors';

/** How each expected failure of a shard is told; what is not listed is a bug and INTERNAL. */
const codes: Readonly<Record<string, status>> = {
  stale_placement: status.FAILED_PRECONDITION,
  shard_full: status.RESOURCE_EXHAUSTED,
  unavailable: status.UNAVAILABLE,
  aborted: status.CANCELLED,
};

/** A failure as gRPC carries it. */
export function statusOf(error: unknown): Pick<ServiceError, 'code' | 'details'> & Error {
  const details = messageOf(error);
  return Object.assign(new Error(details), { code: codeOf(error), details });
}

function codeOf(error: unknown): status {
  if (error instanceof InvalidInput) return status.INVALID_ARGUMENT;
  if (error instanceof NotFound) return status.NOT_FOUND;
  return error instanceof ArgosyError ? (codes[error.code] ?? status.INTERNAL) : status.INTERNAL;
}

/** The status of a call that failed; null for what is no failure of a call. */
export function codeOfCall(error: unknown): status | null {
  const { code } = (error ?? {}) as Partial<Record<'code', unknown>>;
  return typeof code === 'number' && code in status ? code : null;
}
