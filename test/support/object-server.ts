/**
 * A server of S3's protocol on loopback, as far as Argosy uses it, that checks signatures and fails when told to. What it
 * does is held against a real server by libs/runs/src/objects/s3.contract.ts.
 */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { Certified } from './certificates.ts';

/** What a request is answered with instead of what it asks for. */
export type ObjectFault =
  | { readonly status: number; readonly code: string }
  /** The connection breaks off. */
  | 'broken'
  /** Nothing comes. */
  | 'silent';

interface Asked {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingMessage['headers'];
}

/** Says what is wrong with a request's signature, by S3's name of the fault; null: nothing. */
export type CheckSignature = (asked: Asked, body: Uint8Array) => string | null;

export interface ObjectServer {
  /** http://127.0.0.1:PORT, or https://localhost:PORT */
  readonly url: string;
  /** By `bucket/name`. */
  readonly objects: Map<string, Uint8Array>;
  readonly asked: Asked[];
  /** Answers of the next requests, one each; then as if there had been none. */
  readonly next: ObjectFault[];
  /** Answer of all requests, until it is taken away. */
  fault: ObjectFault | null;
  close(): Promise<void>;
}

/** @param certified serves TLS with it, as `localhost` */
export async function startObjectServer(
  buckets: readonly string[],
  check: CheckSignature,
  certified?: Certified,
): Promise<ObjectServer> {
  const objects = new Map<string, Uint8Array>();
  const asked: Asked[] = [];
  const next: ObjectFault[] = [];
  const state: { fault: ObjectFault | null } = { fault: null };

  async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const one = { method: request.method ?? '', path: decodeURIComponent(request.url ?? ''), headers: request.headers };
    asked.push(one);
    const chunks: Uint8Array[] = [];
    for await (const chunk of request) chunks.push(chunk);
    const body = Buffer.concat(chunks);
    const fault = next.shift() ?? state.fault;
    if (fault === 'broken') request.socket.destroy();
    if (fault === 'broken' || fault === 'silent') return;
    if (fault !== null) return refuse(response, fault.status, fault.code);
    const wrong = check({ ...one, path: request.url ?? '' }, body);
    if (wrong !== null) return refuse(response, 403, wrong);
    const [, bucket = '', ...rest] = one.path.split('/');
    if (!buckets.includes(bucket)) return refuse(response, 404, 'NoSuchBucket');
    answer(response, one.method, `${bucket}/${rest.join('/')}`, body);
  }

  function answer(response: ServerResponse, method: string, name: string, body: Uint8Array): void {
    if (method === 'PUT') objects.set(name, body);
    const found = objects.get(name);
    if (method === 'DELETE') objects.delete(name);
    if (method === 'GET' && found === undefined) refuse(response, 404, 'NoSuchKey');
    else response.writeHead(method === 'DELETE' ? 204 : 200).end(method === 'GET' ? found : undefined);
  }

  const listener = (request: IncomingMessage, response: ServerResponse): void => {
    serve(request, response).catch(() => request.destroy());
  };
  const server = certified === undefined ? createServer(listener) : createTlsServer(certified, listener);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo; // what a listening server of TCP has
  return {
    url: certified === undefined ? `http://127.0.0.1:${port}` : `https://localhost:${port}`,
    objects,
    asked,
    next,
    get fault() {
      return state.fault;
    },
    set fault(fault) {
      state.fault = fault;
    },
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function refuse(response: ServerResponse, status: number, code: string): void {
  response.writeHead(status, { 'content-type': 'application/xml' });
  // As real servers do, it repeats the key: nobody may print that.
  response.end(`<?xml version="1.0"?><Error><Code>${code}</Code><Message>${code}</Message></Error>`);
}
