import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { beginSpan, childOf, type OpenSpan, spanKeys } from '#platform';

/** Asked again and again by machines, of no interest to anybody in a trace. */
const untraced: ReadonlySet<string> = new Set(['/healthz', '/readyz', '/metrics']);

/**
 * Each request to a route in a span, in the trace of its caller if it names one. Its header `traceparent` names this span
 * from then on, to whatever works on it. An event stream counts until it opens.
 */
export function traceRequests(server: FastifyInstance): void {
  const spans = new WeakMap<FastifyRequest, OpenSpan>();
  server.addHook('onRequest', async (request: FastifyRequest) => {
    const { traceparent } = request.headers;
    const span = spanOf(request, typeof traceparent === 'string' ? traceparent : null);
    if (span !== null) spans.set(request, span);
    request.headers['traceparent'] = (span?.isRecorded && span.traceparent) || childOf(traceparent);
  });
  const end = async (request: FastifyRequest, { statusCode }: FastifyReply): Promise<void> => {
    const span = spans.get(request);
    spans.delete(request);
    span?.set({ [spanKeys.status]: statusCode });
    if (statusCode >= 500) span?.fail(String(statusCode));
    span?.end();
  };
  server.addHook('onSend', end);
  // Where its client left before there was an answer.
  server.addHook('onResponse', end);
}

function spanOf({ routeOptions: { url }, method }: FastifyRequest, under: string | null): OpenSpan | null {
  if (url === undefined || untraced.has(url)) return null;
  const fields = { [spanKeys.method]: method, [spanKeys.route]: url };
  // Fastify's templates begin with a slash, but for that of all requests.
  const name = `${method} /${url.replace(/^\//, '')}` as const;
  return beginSpan(name, { under, kind: 'server', fields });
}
