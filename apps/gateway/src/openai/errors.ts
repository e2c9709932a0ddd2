import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { errorResource } from '#contracts';

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
  return { error: { message, type: typeOf(reply.statusCode), param: param ?? field, code: name } };
}

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
