import { Agent, type ClientRequest, type IncomingMessage, request as requestPlain } from 'node:http';
import { request as requestTls, Agent as TlsAgent } from 'node:https';
import { messageOf } from '#errors';

/** What a server answered. */
export interface Answer {
  readonly status: number;
  readonly body: Uint8Array;
}

interface Sending {
  readonly method: string;
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
  /** Bytes of the answer's body; those beyond are not read. */
  readonly most: number;
  readonly signal: AbortSignal;
}

/** At the same time, of one process. */
const mostConnections = 64;

/**
 * Connections to the one server that the operator named: not for what a run names, which goes through #egress. No redirect
 * is followed.
 */
export class Connections {
  readonly #agent: Agent;
  readonly #isTls: boolean;

  /** @param ca authorities in PEM, in place of those that Node knows */
  constructor(home: URL, ca?: string) {
    const options = { keepAlive: true, maxSockets: mostConnections };
    this.#isTls = home.protocol === 'https:';
    this.#agent = this.#isTls ? new TlsAgent({ ...options, ...(ca === undefined ? {} : { ca }) }) : new Agent(options);
  }

  /** @returns the answer, or why there was none */
  async send({ method, url, headers, body, most, signal }: Sending): Promise<Answer | string> {
    const length = method === 'PUT' ? { 'content-length': String(body.byteLength) } : {};
    const options = { method, headers: { ...headers, ...length }, agent: this.#agent, signal };
    const request = this.#isTls ? requestTls(url, options) : requestPlain(url, options);
    try {
      const response = await answerOf(request, body);
      return { status: response.statusCode ?? 0, body: await bodyOf(response, most) };
    } catch (error) {
      request.destroy();
      return signal.aborted ? 'no answer in time' : faultOf(error);
    }
  }

  close(): void {
    this.#agent.destroy();
  }
}

async function answerOf(request: ClientRequest, body: Uint8Array): Promise<IncomingMessage> {
  return await new Promise((resolve, reject) => {
    request.once('response', resolve);
    // For as long as it lives: one that is answered can still break.
    request.on('error', reject);
    request.end(body);
  });
}

async function bodyOf(response: IncomingMessage, most: number): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of response as AsyncIterable<Uint8Array>) {
    size += chunk.byteLength;
    chunks.push(chunk);
    // One that is too long is not what was asked for, and its hash will say so.
    if (size > most) return Buffer.concat(chunks).subarray(0, most + 1);
  }
  if (!response.complete) throw new Error('the answer broke off');
  return Buffer.concat(chunks);
}

/** A host with several addresses fails with an error that has no message of its own. */
function faultOf(error: unknown): string {
  const { code } = (error ?? {}) as { readonly code?: unknown };
  const message = messageOf(error);
  return typeof code === 'string' && !message.includes(code) ? `${code} ${message}` : message;
}
