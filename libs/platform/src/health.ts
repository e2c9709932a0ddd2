import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { InvalidInput, messageOf } from '#errors';
import { metricsContentType } from './metrics.ts';

/** Whether a process can do its work now; where it cannot, why, for an operator to read. */
export type Readiness = { readonly ready: true } | { readonly ready: false; readonly reason: string };

/** What a process tells about itself. */
export interface Health {
  readiness(): Readiness;
  /** The metrics as text; absent where nobody measures. */
  readonly metrics?: (() => Promise<string>) | undefined;
}

/** Of a process that serves only once everything is there. */
export const alwaysReady: Health = { readiness: () => ({ ready: true }) };

/** An answer over HTTP. */
export interface HealthAnswer {
  readonly status: number;
  readonly contentType: string;
  readonly body: string;
}

/**
 * Answers `/healthz` (the process lives), `/readyz` (it can work; 503 with the reason where not) and `/metrics`.
 * @returns null for any other path, and for `/metrics` where there are none
 */
export async function answerHealth(path: string, health: Health): Promise<HealthAnswer | null> {
  switch (path) {
    case '/healthz':
      return json(200, { status: 'ok' });
    case '/readyz': {
      const readiness = health.readiness();
      return readiness.ready
        ? json(200, { status: 'ok' })
        : json(503, { status: 'not_ready', reason: readiness.reason });
    }
    case '/metrics': {
      if (health.metrics === undefined) return null;
      return { status: 200, contentType: metricsContentType, body: await health.metrics() };
    }
    default:
      return null;
  }
}

function json(status: number, body: Readonly<Record<string, string>>): HealthAnswer {
  return { status, contentType: 'application/json; charset=utf-8', body: JSON.stringify(body) };
}

export interface HealthAddress {
  readonly host: string;
  /** 0 chooses a free port, once. */
  readonly port: number;
  /** The setting to change where the port cannot be used. */
  readonly setting: string;
}

/** The small server of a role that has no API, and of one that has, until that serves. */
export class HealthServer {
  readonly #health: Health;
  readonly #address: HealthAddress;
  #server: Server | null = null;
  #port: number;

  constructor(health: Health, address: HealthAddress) {
    this.#health = health;
    this.#address = address;
    this.#port = address.port;
  }

  /** Where it listens, or did: closed and opened again, it keeps its port. */
  get port(): number {
    return this.#port;
  }

  /** Does nothing when it is open. @throws InvalidInput when the port is taken or may not be used */
  async open(): Promise<void> {
    if (this.#server !== null) return;
    const server = createServer((request, response) => void this.#answer(request, response));
    try {
      server.listen(this.#port, this.#address.host);
      await once(server, 'listening');
    } catch (cause) {
      const { host, setting } = this.#address;
      const message = `port ${this.#port} on ${host} cannot be used: ${messageOf(cause)}; choose another`;
      throw new InvalidInput([{ path: setting, message }], { cause });
    }
    this.#port = (server.address() as AddressInfo).port; // it listens on a host and a port
    this.#server = server;
  }

  async close(): Promise<void> {
    const server = this.#server;
    if (server === null) return;
    this.#server = null;
    server.close();
    server.closeAllConnections();
    await once(server, 'close');
  }

  async #answer({ url = '/' }: IncomingMessage, response: ServerResponse): Promise<void> {
    let answer: HealthAnswer | null;
    try {
      answer = await answerHealth(url.replace(/\?.*$/, ''), this.#health);
    } catch (error) {
      answer = { status: 500, contentType: 'text/plain; charset=utf-8', body: messageOf(error) };
    }
    const { status, contentType, body } = answer ?? elsewhere(this.#health.readiness());
    const headers = { 'content-type': contentType, 'cache-control': 'no-store' };
    response.writeHead(status, status === 503 ? { ...headers, 'retry-after': '1' } : headers).end(body);
  }
}

/** The API will be served here as soon as it can: its clients are to come again, not to believe that nothing is there. */
function elsewhere(readiness: Readiness): HealthAnswer {
  if (readiness.ready) return { status: 404, contentType: 'text/plain', body: 'not found\n' };
  const message = `This process is not ready: ${readiness.reason}`;
  const error = { code: 'unavailable', message, request_id: 'none' };
  return { status: 503, contentType: 'application/json; charset=utf-8', body: JSON.stringify({ error }) };
}
