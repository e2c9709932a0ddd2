import { type ArgumentsHost, Catch, type ExceptionFilter, HttpException } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { messageOf } from '#errors';
import type { Logger } from '#platform';
import { QuotaExceeded } from '#runs';
import { retryAfter } from './access/rate-limits.ts';
import { Refusal } from './access/refusal.ts';
import { type Fault, faultFor, faultOf, toErrorResource } from './faults.ts';
import { refusals } from './instruments.ts';
import type { RouteTable } from './route-table.ts';

/** The one place where errors become HTTP answers. */
@Catch()
export class ErrorFilter implements ExceptionFilter {
  readonly #logger: Logger;
  readonly #routes: RouteTable;

  constructor(logger: Logger, routes: RouteTable) {
    this.#logger = logger;
    this.#routes = routes;
  }

  async catch(thrown: unknown, host: ArgumentsHost): Promise<void> {
    const http = host.switchToHttp();
    await this.answer(thrown, http.getRequest<FastifyRequest>(), http.getResponse<FastifyReply>());
  }

  /** Answers a request that failed, wherever it got to. */
  async answer(thrown: unknown, request: FastifyRequest, reply: FastifyReply): Promise<void> {
    const { raw, id } = request;
    const isUnrouted = request.is404 && thrown instanceof HttpException;
    const allowed = isUnrouted ? this.#routes.methodsAt(raw.url ?? '') : [];
    const fault = isUnrouted ? unrouted(raw.method ?? '', allowed) : faultOf(thrown);
    refusals.add(1, { code: fault.code });
    // A refusal is meant, and counted: a server with too much to do has no time to write each of them down.
    if (fault.status >= 500 && !(thrown instanceof Refusal)) {
      this.#logger.log('error', 'request failed', { request_id: id, url: raw.url, message: messageOf(thrown) });
    }
    if (fault.status === 405) reply.header('allow', allowed.join(', '));
    if (fault.status === 503) reply.header('retry-after', '5');
    if (thrown instanceof Refusal) reply.headers(thrown.headers);
    if (thrown instanceof QuotaExceeded) reply.headers(retryAfter(thrown.retryAfterMs));
    await reply.status(fault.status).type('application/json; charset=utf-8').send(toErrorResource(fault, id));
  }
}

function unrouted(method: string, allowed: readonly string[]): Fault {
  if (allowed.length === 0) return faultFor('not_found', 'There is no such route; GET /openapi.json lists them all.');
  return faultFor('method_not_allowed', `${method} does nothing here; the path takes ${allowed.join(', ')}.`);
}
