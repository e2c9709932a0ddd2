import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { Instruments, namesOf } from '#platform';
import { faultCodes } from './faults.ts';

const gateways = new Instruments('gateway');

/** Clients may send any method that HTTP knows. */
const methods: readonly string[] = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'];
const statuses: readonly string[] = ['1xx', '2xx', '3xx', '4xx', '5xx'];
const way = { route: namesOf('the template of a route, or `none`', 100), method: methods };

const requests = gateways.counter('argosy_gateway_requests_total', 'Answered requests.', {
  ...way,
  status: statuses,
});
const duration = gateways.histogram(
  'argosy_gateway_request_duration_seconds',
  'From the request to the beginning of its answer; an event stream counts until it opens.',
  { labels: way },
);

/** Requests that were answered with an error, by its `code`. */
export const refusals = gateways.counter('argosy_gateway_refusals_total', 'Requests answered with an error.', {
  code: Object.keys(faultCodes),
});

/** Clients that follow a run now. */
export const eventStreams = gateways.upDownCounter('argosy_gateway_event_streams', 'Open event streams.');

/** Clients that were cut off because they took nothing. */
export const slowClients = gateways.counter(
  'argosy_gateway_slow_clients_total',
  'Event streams cut off: the client took nothing.',
);

/** Counts and times every answer by its route's template, never by its path. */
export function measureRequests(server: FastifyInstance): void {
  server.addHook('onSend', async ({ routeOptions, method }: FastifyRequest, reply: FastifyReply) => {
    const labels = { route: routeOptions.url ?? 'none', method };
    requests.add(1, { ...labels, status: `${Math.floor(reply.statusCode / 100)}xx` });
    duration.record(reply.elapsedTime / 1000, labels);
  });
}
