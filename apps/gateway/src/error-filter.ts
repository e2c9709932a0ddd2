import { type ArgumentsHost, Catch, type ExceptionFilter, HttpException } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { ErrorResource } from '#contracts';
import { ArgosyError, InvalidInput, messageOf } from '#errors';
import type { Logger } from '#platform';
import { Refusal } from './access/refusal.ts';
import { refusals } from './instruments.ts';

/** The one place where errors become HTTP answers. */
const statusOf: Readonly<Record<string, number>> = {
  validation_failed: 422,
  idempotency_conflict: 422,
  hash_mismatch: 422,
  aborted: 400,
  not_found: 404,
  invalid_state: 409,
  model_unavailable: 409,
  unavailable: 503,
  deadline_exceeded: 503,
};

@Catch()
export class ErrorFilter implements ExceptionFilter {
  readonly #logger: Logger;

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  async catch(thrown: unknown, host: ArgumentsHost): Promise<void> {
    const http = host.switchToHttp();
    const request = http.getRequest<FastifyRequest>();
    const reply = http.getResponse<FastifyReply>();
    const { status, code, message, param } = describe(thrown);
    refusals.add(1, { code });
    if (status >= 500) {
      this.#logger.log('error', 'request failed', { url: request.url, message: messageOf(thrown) });
    }
    const body: ErrorResource = {
      error: { code, message, ...(param === undefined ? {} : { param }), request_id: request.id },
    };
    if (status === 503) reply.header('retry-after', '5');
    if (thrown instanceof Refusal) reply.headers(thrown.headers);
    await reply.status(status).send(body);
  }
}

interface Description {
  readonly status: number;
  readonly code: string;
  readonly message: string;
  readonly param?: string;
}

function describe(thrown: unknown): Description {
  if (thrown instanceof InvalidInput) {
    const param = thrown.problems[0]?.path;
    return { status: 422, code: thrown.code, message: thrown.message, ...(param ? { param } : {}) };
  }
  if (thrown instanceof Refusal) return thrown;
  if (thrown instanceof ArgosyError) {
    return { status: statusOf[thrown.code] ?? 500, code: thrown.code, message: thrown.message };
  }
  const status = httpStatus(thrown);
  if (status < 500) return { status, code: clientCodes[status] ?? 'bad_request', message: messageOf(thrown) };
  return {
    status: 500,
    code: 'internal',
    message: 'Something went wrong inside; the log has it under this request_id.',
  };
}

const clientCodes: Readonly<Record<number, string>> = {
  403: 'forbidden',
  404: 'not_found',
  405: 'method_not_allowed',
  413: 'too_large',
  415: 'unsupported_media_type',
};

/** Nest's own exceptions and Fastify's parse errors carry a status. */
function httpStatus(thrown: unknown): number {
  if (thrown instanceof HttpException) return thrown.getStatus();
  const status = (thrown as { statusCode?: unknown } | null)?.statusCode;
  return typeof status === 'number' ? status : 500;
}
