import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse, STATUS_CODES } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { InvalidInput, messageOf } from '#errors';
import { beginSpan, type OpenSpan, spanKeys } from '#platform';
import type { Dial } from './connector.ts';
import { EgressBlocked, EgressFault } from './faults.ts';
import { type Cut, Flow } from './flow.ts';
import { FORWARDED_METHODS, forward } from './forward.ts';
import { DEFAULT_PROXY_LIMITS, type ProxyLimits } from './limits.ts';
import { Outlet, type Rules } from './outlet.ts';
import { type EgressPolicy, type VettedUrl, vetUrl } from './policy.ts';
import { isPublicOnly, refusalOf, TRACE, written } from './refusals.ts';
import { tunnel } from './tunnel.ts';
import { orAborted } from './waiting.ts';

/** What the proxy did for a client, for metrics and the audit log. */
export interface Exchange {
  readonly form: 'connect' | 'absolute' | 'none';
  /** `failed`: in the network or at the server; `crowded`: one connection too many, closed before anything was read. */
  readonly outcome: 'done' | 'blocked' | 'failed' | 'crowded' | Cut;
  /** As the client wrote it, at most 200 characters. */
  readonly asked: string;
  /** Why it was blocked, with addresses, or failed. Operator's eyes only; empty when it was neither. */
  readonly detail: string;
  readonly sentBytes: number;
  readonly receivedBytes: number;
}

export interface ProxyOptions extends Rules {
  /** Where it listens. Default: 127.0.0.1. It has no keys: whoever reaches it may use it. */
  readonly host?: string;
  /** Default: any free one. */
  readonly port?: number;
  readonly limits?: Partial<ProxyLimits>;
  /** Told of every exchange when it is over. Must not throw. */
  readonly onExchange?: (exchange: Exchange) => void;
}

/** `host:port` of a CONNECT request (RFC 9110 9.3.6), so that no other part of a URL can hide in it. */
const AUTHORITY = /^(\[[\da-f:.]+\]|[^\s:/?#@[\]\\]+):\d{1,5}$/i;

/** For what has been cut to come to its end, which takes a turn of the event loop or two. */
const CUT_MS = 1_000;

const CROWDED: Exchange = {
  ...{ form: 'none', outcome: 'crowded', asked: '', detail: '' },
  ...{ sentBytes: 0, receivedBytes: 0 },
};

/**
 * A forward proxy for programs that make their own connections, Chromium above all: absolute-form requests for http,
 * CONNECT for https. Every connection passes the same rules and the same vetted dial as a fetch.
 */
export class EgressProxy {
  readonly #server: Server;
  readonly #outlet: Outlet;
  /** Without the operator's list, for clients whose own is shorter. */
  readonly #publicOutlet: Outlet;
  readonly #limits: ProxyLimits;
  readonly #onExchange: (exchange: Exchange) => void;
  readonly #sockets = new Set<Socket>();
  readonly #flows = new Set<Flow>();
  #url = '';
  #onEmpty = (): void => undefined;

  private constructor({ limits, onExchange, host, port, ...rules }: ProxyOptions, dial?: Dial) {
    this.#limits = { ...DEFAULT_PROXY_LIMITS, ...limits };
    this.#onExchange = onExchange ?? (() => undefined);
    this.#outlet = new Outlet(rules, this.#limits, dial);
    this.#publicOutlet = new Outlet({ ...rules, allow: [] }, this.#limits, dial);
    const { headersMs, headerBytes, exchangeMs, connections } = this.#limits;
    this.#server = createServer({
      maxHeaderSize: headerBytes,
      headersTimeout: Math.min(headersMs, exchangeMs),
      requestTimeout: exchangeMs,
      connectionsCheckingInterval: Math.min(headersMs, 1_000),
    });
    this.#server.maxConnections = connections;
    this.#server.on('drop', () => this.#onExchange(CROWDED));
    this.#server.on('connection', (socket) => this.#admit(socket));
    this.#server.on('request', (request, response) => void this.#forward(request, response));
    // Node's types say Duplex, for servers over streams that are no sockets; this one is over TCP.
    this.#server.on('connect', (request, socket, head) => void this.#tunnel(request, socket as Socket, head));
  }

  /**
   * @param dial replaced only where a test must see what is dialled
   * @throws InvalidInput when it cannot listen there, or naming unusable entries of `allow` and `deny`
   */
  static async start(options: ProxyOptions = {}, dial?: Dial): Promise<EgressProxy> {
    const { host = '127.0.0.1', port = 0 } = options;
    const proxy = new EgressProxy(options, dial);
    try {
      proxy.#server.listen(port, host);
      await once(proxy.#server, 'listening');
    } catch (cause) {
      const message = `port ${port} on ${host} cannot be used: ${messageOf(cause)}; choose another`;
      throw new InvalidInput([{ path: 'ARGOSY_PORT', message }], { cause });
    }
    const at = proxy.#server.address() as AddressInfo; // it listens on a host and a port
    proxy.#url = `http://${at.family === 'IPv6' ? `[${at.address}]` : at.address}:${at.port}`;
    return proxy;
  }

  /** Such as `http://127.0.0.1:40123`. */
  get url(): string {
    return this.#url;
  }

  /** Takes no new connection, lets exchanges under way end for so long, and cuts what is left. */
  async close(graceMs: number): Promise<void> {
    if (!this.#server.listening) return;
    const closed = once(this.#server, 'close');
    this.#server.close();
    if (graceMs > 0) await this.#emptied(graceMs);
    for (const flow of this.#flows) flow.cut('stopped');
    for (const socket of this.#sockets) socket.destroy();
    await Promise.all([this.#outlet.close(), this.#publicOutlet.close()]);
    await this.#emptied(CUT_MS);
    await closed;
  }

  /** Resolves when nothing is under way, at the latest after `limitMs`. */
  async #emptied(limitMs: number): Promise<void> {
    if (this.#flows.size === 0) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, limitMs);
      this.#onEmpty = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  #admit(socket: Socket): void {
    this.#sockets.add(socket);
    // Node's own listener is gone once a socket has become a tunnel.
    socket.on('error', () => undefined);
    socket.once('close', () => this.#sockets.delete(socket));
  }

  async #forward(request: IncomingMessage, response: ServerResponse): Promise<void> {
    await this.#watched('absolute', request, async (flow) => {
      response.once('close', () => {
        if (!response.writableFinished) flow.cut('left');
      });
      try {
        const outlet = this.#outletFor(request);
        await forward({ request, response, target: vetRequest(request, outlet.policy) }, outlet, flow);
      } catch (error) {
        const refusal = refusalOf(error);
        const { headers, body } = written(refusal);
        if (response.headersSent) response.destroy();
        else response.writeHead(refusal.status, headers).end(body);
        throw error;
      }
    });
  }

  async #tunnel(request: IncomingMessage, client: Socket, head: Buffer): Promise<void> {
    await this.#watched('connect', request, async (flow) => {
      const upstream = await this.#dialled(request, client, flow.signal);
      if (client.destroyed) flow.cut('left');
      else client.write('HTTP/1.1 200 Connection established\r\n\r\n');
      await tunnel(client, upstream, head, flow);
    });
  }

  async #dialled(request: IncomingMessage, client: Socket, signal: AbortSignal): Promise<Socket> {
    try {
      const outlet = this.#outletFor(request);
      const opening = outlet.open(vetAuthority(request, outlet.policy));
      opening.then((late) => signal.aborted && late.destroy()).catch(() => undefined);
      return await orAborted(opening, signal);
    } catch (error) {
      const refusal = refusalOf(error);
      const { headers, body } = written(refusal);
      const fields = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
      client.write(`HTTP/1.1 ${refusal.status} ${STATUS_CODES[refusal.status]}\r\n${fields.join('')}\r\n${body}`);
      client.destroySoon();
      throw error;
    }
  }

  #outletFor({ headers }: IncomingMessage): Outlet {
    return isPublicOnly(headers) ? this.#publicOutlet : this.#outlet;
  }

  async #watched(form: Exchange['form'], request: IncomingMessage, act: (flow: Flow) => Promise<void>) {
    const { url = '' } = request;
    const span = spanOf(request);
    const flow = new Flow(this.#limits);
    this.#flows.add(flow);
    let ending: Pick<Exchange, 'outcome' | 'detail'> = { outcome: 'done', detail: '' };
    try {
      await act(flow);
    } catch (error) {
      const cut = flow.signal.aborted ? (flow.signal.reason as Cut) : null; // all that Flow aborts with
      ending = cut === null ? endingOf(error) : { outcome: cut, detail: '' };
    }
    flow.end();
    const { sentBytes, receivedBytes } = flow;
    const exchange = { form, asked: url.slice(0, 200), sentBytes, receivedBytes, ...ending };
    this.#onExchange(exchange);
    tell(exchange, span);
    this.#flows.delete(flow);
    if (this.#flows.size === 0) this.#onEmpty();
  }
}

/** Of whoever named itself: programs that make connections of their own, such as a browser, do not. */
function spanOf({ headers: { [TRACE]: under }, method = '' }: IncomingMessage): OpenSpan | null {
  if (typeof under !== 'string') return null;
  return beginSpan('exchange', { under, kind: 'server', fields: { [spanKeys.method]: method } });
}

function tell({ outcome, sentBytes, receivedBytes }: Exchange, span: OpenSpan | null): void {
  span?.set({
    [spanKeys.outcome]: outcome,
    [spanKeys.sentBytes]: sentBytes,
    [spanKeys.receivedBytes]: receivedBytes,
  });
  if (outcome === 'failed') span?.fail(outcome);
  span?.end();
}

function endingOf(error: unknown): Pick<Exchange, 'outcome' | 'detail'> {
  if (error instanceof EgressBlocked) return { outcome: 'blocked', detail: error.detail };
  const { cause } = error instanceof Error ? error : {};
  return { outcome: 'failed', detail: cause === undefined ? messageOf(error) : messageOf(cause) };
}

/** @throws EgressBlocked; EgressFault for what is no request of an http URL */
function vetRequest({ method = '', url = '' }: IncomingMessage, policy: EgressPolicy): VettedUrl {
  if (!/^http:\/\//i.test(url) || !FORWARDED_METHODS.has(method)) {
    throw new EgressFault('invalid', `${method} of this form is not forwarded`);
  }
  return vetUrl(url, policy);
}

/** @throws EgressBlocked; EgressFault for what is no `host:port` */
function vetAuthority({ url = '' }: IncomingMessage, policy: EgressPolicy): VettedUrl {
  if (!AUTHORITY.test(url)) throw new EgressFault('invalid', 'CONNECT takes host:port');
  return vetUrl(`https://${url}/`, policy);
}
