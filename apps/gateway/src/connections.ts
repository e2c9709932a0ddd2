import { randomUUID } from 'node:crypto';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { FastifyHttpOptions } from 'fastify';
import { type Fault, faultFor, toErrorResource } from './faults.ts';
import { refusals } from './instruments.ts';

/** How long a client may take, in ms. */
export interface Patience {
  /** For the headers of a request. */
  readonly headersMs: number;
  /** For a JSON body. */
  readonly bodyMs: number;
  /** For a whole request; uploads of files have this long. */
  readonly requestMs: number;
  /** Without a byte in either direction. More than the time between two heartbeats. */
  readonly silenceMs: number;
}

export const patience: Patience = { headersMs: 10_000, bodyMs: 30_000, requestMs: 660_000, silenceMs: 60_000 };

/** Names a request in answers and logs. */
const newRequestId = (): string => `req_${randomUUID()}`;

/** Limits of the server's connections, and its answers to what never becomes a request. */
export function connectionOptions({ headersMs, requestMs, silenceMs }: Patience): FastifyHttpOptions<Server> {
  return {
    // The headers' own limit is reached first, so that a long id is an id that nothing has.
    routerOptions: { maxParamLength: 16 * 1024 },
    connectionTimeout: silenceMs,
    requestTimeout: requestMs,
    http: {
      headersTimeout: headersMs,
      connectionsCheckingInterval: Math.min(5_000, headersMs),
      // Node's own answer would have no body.
      requireHostHeader: false,
    },
    genReqId: newRequestId,
    clientErrorHandler: refuseConnection,
  };
}

/** Answers `Expect` headers that ask for what nobody offers. Node's own answer would have no body. */
export function refuseExpectations(server: Server): void {
  server.on('checkExpectation', (_request: IncomingMessage, response: ServerResponse) => {
    const fault = faultFor('expectation_failed', 'Leave the header Expect out, or say 100-continue.');
    refusals.add(1, { code: fault.code });
    const body = JSON.stringify(toErrorResource(fault, newRequestId()));
    const headers = { 'content-type': contentType, 'content-length': Buffer.byteLength(body), connection: 'close' };
    response.writeHead(fault.status, headers).end(body);
  });
}

const contentType = 'application/json; charset=utf-8';

/** What is said to bytes that are no request, or not all of one. */
function refuseConnection(error: { code?: string }, socket: Socket): void {
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy();
    return;
  }
  const fault = faultOfConnection(error.code);
  refusals.add(1, { code: fault.code });
  const body = JSON.stringify(toErrorResource(fault, newRequestId()));
  const head = [
    `HTTP/1.1 ${fault.status} ${reasons[fault.status] ?? 'Bad Request'}`,
    `Content-Type: ${contentType}`,
    `Content-Length: ${Buffer.byteLength(body)}`,
    'Connection: close',
  ];
  socket.end(`${head.join('\r\n')}\r\n\r\n${body}`, () => socket.destroy());
}

const reasons: Readonly<Record<number, string>> = {
  408: 'Request Timeout',
  413: 'Content Too Large',
  431: 'Request Header Fields Too Large',
};

function faultOfConnection(code: string | undefined): Fault {
  switch (code) {
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return faultFor('request_timeout', 'The request did not arrive in time; send it again, all at once.');
    case 'HPE_HEADER_OVERFLOW':
      return faultFor('headers_too_large', 'The headers have more than 16 KiB; send fewer or shorter ones.');
    case 'HPE_CHUNK_EXTENSIONS_OVERFLOW':
      return faultFor('too_large', 'The chunk extensions are too long; leave them out.');
    default:
      return faultFor('bad_request', 'These bytes are no HTTP/1.1 request.');
  }
}
