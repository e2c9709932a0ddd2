import { HttpException } from '@nestjs/common';
import type { ErrorResource } from '#contracts';
import { ArgosyError, InvalidInput, messageOf } from '#errors';
import { Refusal } from './access/refusal.ts';

/** Every error code of the API: the status that it comes with, and what it means. */
export const faultCodes = {
  bad_request: { status: 400, meaning: 'The request cannot be read: broken JSON, text that is not UTF-8, a bad path.' },
  aborted: { status: 400, meaning: 'The client stopped sending.' },
  missing_api_key: { status: 401, meaning: 'The server asks for a key: `Authorization: Bearer arg_...`.' },
  invalid_api_key: { status: 401, meaning: 'The key is malformed, unknown, revoked or expired.' },
  forbidden: { status: 403, meaning: 'Whoever asks may not do this.' },
  login_refused: { status: 403, meaning: 'The identity provider or this server does not let this person in.' },
  not_found: { status: 404, meaning: 'There is no such thing, or it belongs to somebody else.' },
  method_not_allowed: { status: 405, meaning: 'The path exists and the method does not; `Allow` lists those that do.' },
  request_timeout: { status: 408, meaning: 'The request did not arrive in time.' },
  invalid_state: { status: 409, meaning: 'The thing is in a state that does not allow this; the message names it.' },
  model_unavailable: { status: 409, meaning: 'No model of this name is configured, and nothing else is used instead.' },
  too_large: { status: 413, meaning: 'The body is larger than this route takes.' },
  unsupported_media_type: { status: 415, meaning: 'The body is of a type that this route does not read.' },
  expectation_failed: { status: 417, meaning: 'The header Expect asks for something other than 100-continue.' },
  validation_failed: { status: 422, meaning: 'Fields are wrong; `details` lists every one of them.' },
  idempotency_conflict: { status: 422, meaning: 'The Idempotency-Key came with another request before.' },
  hash_mismatch: { status: 422, meaning: 'The bytes do not have the hash that was announced.' },
  headers_too_large: { status: 431, meaning: 'The headers have more than 16 KiB.' },
  rate_limited: { status: 429, meaning: 'Too many requests; try again after `Retry-After` seconds.' },
  quota_exceeded: {
    status: 429,
    meaning: 'The tenant has all that it may have; the message says what, and until when.',
  },
  internal: { status: 500, meaning: 'A fault of the server; its log has it under the `request_id`.' },
  run_failed: { status: 500, meaning: 'The run behind the answer failed; the message says why.' },
  unavailable: {
    status: 503,
    meaning: 'Something that the server needs is away; try again after `Retry-After` seconds.',
  },
  overloaded: { status: 503, meaning: 'The server works on enough already; try again after `Retry-After` seconds.' },
  deadline_exceeded: { status: 503, meaning: 'Something took too long; try again after `Retry-After` seconds.' },
} as const satisfies Readonly<Record<string, { status: number; meaning: string }>>;
export type FaultCode = keyof typeof faultCodes;

/** An error as a client is told of it. */
export interface Fault {
  readonly status: number;
  readonly code: string;
  readonly message: string;
  readonly details?: readonly { readonly path: string; readonly message: string }[];
}

/** What a client is told of anything thrown. What is no client's doing is not told, only that it happened. */
export function faultOf(thrown: unknown): Fault {
  if (thrown instanceof InvalidInput) return { ...known(thrown), details: thrown.problems };
  if (thrown instanceof Refusal) return { status: thrown.status, code: thrown.code, message: thrown.message };
  if (thrown instanceof ArgosyError) return known(thrown);
  const status = httpStatus(thrown);
  const code = codeOf(status);
  if (code === undefined)
    return faultFor('internal', 'Something went wrong inside; the log has it under this request_id.');
  return { status, code, message: messageOf(thrown) };
}

export function faultFor(code: FaultCode, message: string): Fault {
  return { status: faultCodes[code].status, code, message };
}

/** The body of an error. */
export function toErrorResource({ code, message, details }: Fault, requestId: string): ErrorResource {
  const param = details?.[0]?.path;
  return {
    error: {
      code,
      message,
      ...(param ? { param } : {}),
      ...(details === undefined ? {} : { details: [...details] }),
      request_id: requestId,
    },
  };
}

function known({ code, message }: ArgosyError): Fault {
  const status = Object.hasOwn(faultCodes, code) ? faultCodes[code as FaultCode].status : 500; // as just looked up
  return { status, code, message };
}

/** The code of an error that is known by its status alone; of several, the first in the table. */
function codeOf(status: number): FaultCode | undefined {
  if (status >= 500) return undefined;
  const codes = Object.keys(faultCodes) as FaultCode[]; // keys of the table
  return codes.find((code) => faultCodes[code].status === status) ?? 'bad_request';
}

/** Nest's own exceptions and Fastify's parse errors carry a status. */
function httpStatus(thrown: unknown): number {
  if (thrown instanceof HttpException) return thrown.getStatus();
  const status = (thrown as { statusCode?: unknown } | null)?.statusCode;
  return typeof status === 'number' ? status : 500;
}
