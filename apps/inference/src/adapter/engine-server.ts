/** HTTP to the server beside us. Its address is the operator's: the one exception of the egress rule. */
import { Agent, type ClientRequest, type IncomingMessage, request as plainRequest } from 'node:http';
import { Agent as SecuredAgent, request as securedRequest } from 'node:https';
import { brokenOff, refusalOf, UnusableServer } from './faults.ts';

/** uvicorn, on which vLLM and SGLang run, closes what idles for five seconds: we let go of it before. */
const idleMs = 4_000;
const mostBodyBytes = 8 * 2 ** 20;
const mostWordsBytes = 16_384;
/** One event of a stream; with all log-probabilities that may be asked for it has some kilobytes a token. */
const mostEventBytes = 4 * 2 ** 20;

/** A whole answer, whatever its status. */
export interface Answer {
  readonly status: number;
  readonly text: string;
}

export class EngineServer {
  /** For messages: without what may be secret in it. */
  readonly address: string;
  readonly #base: URL;
  readonly #apiKey: string | undefined;
  readonly #agent: Agent;

  /** @param baseUrl what stands before `/v1/completions` and `/metrics` */
  constructor(baseUrl: string, apiKey: string | undefined) {
    this.#base = new URL(baseUrl);
    this.address = this.#base.origin;
    this.#apiKey = apiKey;
    const options = { keepAlive: true, timeout: idleMs };
    this.#agent = this.#base.protocol === 'https:' ? new SecuredAgent(options) : new Agent(options);
  }

  /** @throws ServerAway when no whole answer comes before the signal fires */
  async get(path: string, signal: AbortSignal): Promise<Answer> {
    return await this.#whole(await this.#send('GET', path, { signal }));
  }

  /** @throws ServerAway when no whole answer comes before the signal fires */
  async post(path: string, body: unknown, signal: AbortSignal): Promise<Answer> {
    return await this.#whole(await this.#send('POST', path, { signal, body: JSON.stringify(body) }));
  }

  /**
   * The bytes of a reply as they come. The connection is closed when the signal fires or nobody iterates any more, which
   * is how vLLM and SGLang learn that a reply is not wanted.
   * @param names of the request in the server's log, and of the span that its own are under
   * @throws ServerFull, ServerAway, InvalidInput or UnusableServer when the server does not begin one, as it says
   */
  async stream(
    path: string,
    body: unknown,
    names: RequestNames,
    signal: AbortSignal,
  ): Promise<AsyncIterable<Uint8Array>> {
    const response = await this.#send('POST', path, { signal, body: JSON.stringify(body), ...names });
    const { statusCode: status = 0, headers } = response;
    if (status !== 200) {
      const refusal = { status, retryAfter: headers['retry-after'], body: await this.#words(response) };
      throw refusalOf(refusal, this.address);
    }
    const type = headers['content-type'] ?? 'nothing';
    if (type.startsWith('text/event-stream')) return this.#pieces(response);
    response.destroy();
    const message = `the server at ${this.address} answers ${path} with ${type.slice(0, 100)}, not with a stream of events`;
    throw new UnusableServer(`${message}. Check that ARGOSY_INFERENCE_SERVER is the address of vLLM or SGLang itself`);
  }

  /** Ends the connections that nobody uses. */
  close(): void {
    this.#agent.destroy();
  }

  async #send(method: string, path: string, options: SendOptions): Promise<IncomingMessage> {
    try {
      return await this.#sendOnce(method, path, options);
    } catch (error) {
      // The server closed the connection just when we took it up again: it has not seen the request.
      if (error instanceof Lapsed) return await this.#send(method, path, options);
      throw brokenOff(`no server answers at ${this.address}`, error);
    }
  }

  async #sendOnce(
    method: string,
    path: string,
    { signal, body, id, traceparent }: SendOptions,
  ): Promise<IncomingMessage> {
    const url = new URL(`${this.#base.pathname.replace(/\/+$/, '')}${path}`, this.#base);
    const headers: Record<string, string> = { accept: '*/*' };
    if (body !== undefined) headers['content-type'] = 'application/json';
    if (body !== undefined) headers['content-length'] = String(Buffer.byteLength(body));
    if (id !== undefined) headers['x-request-id'] = encodeURIComponent(id);
    if (traceparent !== undefined) headers['traceparent'] = traceparent;
    if (this.#apiKey !== undefined) headers['authorization'] = `Bearer ${this.#apiKey}`;
    const send = url.protocol === 'https:' ? securedRequest : plainRequest;
    return await new Promise((resolve, reject) => {
      const sent: ClientRequest = send(url, { method, headers, signal, agent: this.#agent }, resolve);
      sent.on('error', (error: NodeJS.ErrnoException) => {
        reject(sent.reusedSocket && error.code === 'ECONNRESET' ? new Lapsed() : error);
      });
      sent.end(body);
    });
  }

  async #whole(response: IncomingMessage): Promise<Answer> {
    try {
      return { status: response.statusCode ?? 0, text: await textOf(response, mostBodyBytes) };
    } catch (error) {
      throw brokenOff(`the server at ${this.address} cut its answer off`, error);
    }
  }

  async #words(response: IncomingMessage): Promise<string> {
    // What it refuses with counts, with or without words.
    return await textOf(response, mostWordsBytes).catch(() => '');
  }

  async *#pieces(response: IncomingMessage): AsyncGenerator<Uint8Array> {
    let eventBytes = 0;
    try {
      for await (const piece of response as AsyncIterable<Buffer>) {
        const line = piece.lastIndexOf(10);
        eventBytes = line < 0 ? eventBytes + piece.length : piece.length - line;
        if (eventBytes > mostEventBytes) {
          throw new UnusableServer(`the server at ${this.address} sends an event of more than ${mostEventBytes} bytes`);
        }
        yield piece;
      }
    } finally {
      response.destroy();
    }
  }
}

export interface RequestNames {
  readonly id: string;
  /** W3C `traceparent`; undefined: the server does as it does by itself. */
  readonly traceparent: string | undefined;
}

interface SendOptions extends Partial<RequestNames> {
  readonly signal: AbortSignal;
  readonly body?: string;
}

/** A connection that was kept and closed by the other side at the moment of its use. */
class Lapsed extends Error {}

/** Cut at the limit. */
async function textOf(response: IncomingMessage, mostBytes: number): Promise<string> {
  const pieces: Buffer[] = [];
  let bytes = 0;
  for await (const piece of response as AsyncIterable<Buffer>) {
    pieces.push(piece);
    bytes += piece.length;
    if (bytes > mostBytes) break;
  }
  return Buffer.concat(pieces).toString('utf8');
}
