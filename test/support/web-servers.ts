/** Small servers on loopback for one test, which ends them. */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type RequestListener } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { type AddressInfo, createServer as createTcpServer, type Server, type Socket } from 'node:net';
import { afterEach } from '@jest/globals';
import type { Certified } from './certificates.ts';

const cleanups: (() => unknown)[] = [];

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

/** Done after this test, the last one first. */
export function atEnd(cleanup: () => unknown): void {
  cleanups.push(cleanup);
}

/** Listens on a free port of 127.0.0.1. */
export async function listening(server: Server, sockets = new Set<Socket>()): Promise<number> {
  server.on('connection', (socket: Socket) => sockets.add(socket));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  atEnd(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return (server.address() as AddressInfo).port;
}

/** A web server; `seen` holds every request. */
export async function serve(answer: RequestListener): Promise<{ port: number; at: string; seen: IncomingMessage[] }> {
  const seen: IncomingMessage[] = [];
  const server = createServer((request, response) => {
    seen.push(request);
    answer(request, response);
  });
  const port = await listening(server);
  return { port, at: `http://127.0.0.1:${port}`, seen };
}

/** As {@link serve}, over TLS under a certificate for some name. */
export async function serveTls(
  certified: Certified,
  answer: RequestListener,
): Promise<{ port: number; seen: IncomingMessage[] }> {
  const seen: IncomingMessage[] = [];
  const server = createTlsServer({ cert: certified.cert, key: certified.key }, (request, response) => {
    seen.push(request);
    answer(request, response);
  });
  server.on('tlsClientError', () => undefined);
  return { port: await listening(server), seen };
}

/** A server that answers every connection's first bytes by `answer`, free of any HTTP manners. */
export async function serveRaw(answer: (socket: Socket) => void): Promise<{ port: number; at: string }> {
  const server = createTcpServer((socket) => {
    socket.on('error', () => undefined);
    socket.once('data', () => answer(socket));
  });
  const port = await listening(server);
  return { port, at: `http://127.0.0.1:${port}` };
}
