import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { counter, histogram, upDownCounter } from '#platform';

const requests = counter('argosy_gateway_requests_total', 'Answered requests.', []);
const duration = histogram(
  'argosy_gateway_request_duration_seconds',
  'From the request to the beginning of its answer; an event stream counts until it opens.',
);

/** Requests that were answered with an error, by its `code`. */
export const refusals = counter('argosy_gateway_refusals_total', 'Requests answered with an error.', []);

/** Clients that follow a run now. */
export const eventStreams = upDownCounter('argosy_gateway_event_streams', 'Open event streams.');

/** Clients that were cut off because they took nothing. */
export const slowClients = counter(
  'argosy_gateway_slow_clients_total',
  'Event streams cut off: the client took nothing.',
  [],
);

/** Clients may send any method that HTTP knows. */
const methods: ReadonlySet<string> = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']);

/** Counts and times every answer by its route's template, never by its path. */
export function measureRequests(server: FastifyInstance): void {
  server.addHook('onSend', async ({ routeOptions, method }: FastifyRequest, reply: FastifyReply) => {
    const labels = { route: routeOptions.url ?? 'none', method: methods.has(method) ? method : 'other' };
    requests.add(1, { ...labels, status: `${Math.floor(reply.statusCode / 100)}xx` });
    duration.record(reply.elapsedTime / 1000, labels);
  });
}
