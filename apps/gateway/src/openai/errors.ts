import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { errorResource, type OpenAiErrorResource, openAiErrorResource, type ResponseResource } from '#contracts';
import { ArgosyError } from '#errors';
import { faultCodes } from '../faults.ts';
import type { ErrorForm } from '../openapi/operation.ts';

/** A run came to no answer, in a protocol that has no other place to say so. */
export class RunFailed extends ArgosyError {
  override readonly name = 'RunFailed';
  readonly code = 'run_failed';
  readonly retryable = false;
  constructor({ status, error, argosy }: ResponseResource) {
    super(
      `The run ${argosy.run_id} ${status === 'cancelled' ? 'was cancelled' : 'failed'}. ${error?.message ?? ''}`.trim(),
    );
  }
}

/** Nobody waits for the end of a run any longer. It goes on. */
export class StillRunning extends ArgosyError {
  override readonly name = 'StillRunning';
  readonly code = 'deadline_exceeded';
  readonly retryable = false;
  constructor({ id, argosy }: ResponseResource) {
    super(
      `The run ${argosy.run_id} is not at its end yet and goes on; read its answer from /v1/responses/${id}, or ask for a stream next time.`,
    );
  }
}

/** Has errors of these routes told in the form that clients of OpenAI's protocols read, wherever they come from. */
export function tellErrorsAsOpenAi(server: FastifyInstance): void {
  server.addHook('onRequest', async (request, reply) => {
    if (isOpenAi(request)) reply.header('x-request-id', request.id);
  });
  server.addHook('preSerialization', async (request, reply, payload) => {
    if (reply.statusCode < 400 || !isOpenAi(request)) return payload;
    const told = errorResource.safeParse(payload);
    return told.success ? translated(told.data.error, reply) : payload;
  });
}

function isOpenAi({ raw: { url = '' } }: FastifyRequest): boolean {
  return /^\/v1\/(?:responses|chat|models)(?:[/?#]|$)/.test(url);
}

interface Told {
  readonly code: string;
  readonly message: string;
  readonly param?: string | undefined;
}

function translated({ code, message, param }: Told, reply: FastifyReply) {
  const { status, name = code, field = null } = others[code] ?? {};
  if (status !== undefined) reply.code(status);
  // Else these clients ask again by themselves, which would be another run.
  if (code === 'run_failed' || code === 'deadline_exceeded') reply.header('x-should-retry', 'false');
  return openAiError({ message, status: reply.statusCode, param: param ?? field, code: name });
}

/** An error in the form of this protocol. */
export function openAiError(told: {
  message: string;
  status: number;
  param: string | null;
  code: string;
}): OpenAiErrorResource {
  const { status, message, param, code } = told;
  return { error: { message, type: typeOf(status), param, code } };
}

/** The same as the API describes itself. */
export const openAiErrors: ErrorForm = {
  schema: openAiErrorResource,
  statusOf: (code) => others[code]?.status ?? faultCodes[code].status,
  example: (code, message) => {
    const { name = code, field = null } = others[code] ?? {};
    return openAiError({ message, status: openAiErrors.statusOf(code), param: field, code: name });
  },
};

interface OtherName {
  readonly status: number;
  readonly name?: string;
  readonly field?: string;
}

/** Errors that this protocol tells by another status or name; its clients repeat whatever comes with 409. */
const others: Readonly<Record<string, OtherName>> = {
  validation_failed: { status: 400 },
  idempotency_conflict: { status: 400 },
  invalid_state: { status: 400 },
  model_unavailable: { status: 404, name: 'model_not_found', field: 'model' },
};

function typeOf(status: number): string {
  if (status === 429) return 'rate_limit_error';
  if (status === 401) return 'authentication_error';
  if (status === 403) return 'permission_error';
  return status >= 500 ? 'server_error' : 'invalid_request_error';
}
