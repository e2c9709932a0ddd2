import { Agent, type Dispatcher } from 'undici';
import { Aborted, InvalidState, messageOf } from '#errors';
import { ACCEPT_ENCODING, readBody } from './body.ts';
import { type Dial, dialer, type Resolve, resolveByLookup, vettedConnector } from './connector.ts';
import { EgressFault, faultOf } from './faults.ts';
import { DEFAULT_LIMITS, type EgressLimits } from './limits.ts';
import { type AllowedTarget, compilePolicy, type EgressPolicy, vetUrl } from './policy.ts';
import { type Hop, isRedirect, type Method, nextHop, ownHeaders } from './redirects.ts';
import { orAborted } from './waiting.ts';

/** How a process may reach the outside. */
export interface EgressOptions {
  /** Private targets that the operator named (`ARGOSY_EGRESS_ALLOW`, see `parseAllow`); any port. Default: none. */
  readonly allow?: readonly AllowedTarget[];
  /** CIDRs refused besides everything that is not public: cluster ranges, node addresses. Default: none. */
  readonly deny?: readonly string[];
  /** Ports on which public hosts may be asked. Default: 80 and 443. */
  readonly ports?: readonly number[];
  /** Who asks, with an address for complaints; sent with every request. */
  readonly userAgent: string;
  readonly limits?: Partial<EgressLimits>;
  /** All addresses of a host name. Default: the machine's resolver. */
  readonly resolve?: Resolve;
}

export interface EgressRequest {
  /** Fires on cancel and deadline of whatever this fetch is for. */
  readonly signal: AbortSignal;
  /** Default: any type. */
  readonly accept?: string;
  /** Sent to the first origin only, but for `accept` and `accept-language`. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Default: GET. */
  readonly method?: Method;
  readonly body?: string | Uint8Array;
}

export interface EgressResponse {
  /** Where the body came from after all redirects; canonical, without fragment. */
  readonly url: string;
  /** Any status but a followed redirect. */
  readonly status: number;
  /** Lower-case names; repeated headers joined by `, `. Those that describe the undone encoding are left out. */
  readonly headers: Readonly<Record<string, string>>;
  /** The `content-type` header as it came; empty when absent. A claim of the server, not a fact. */
  readonly contentType: string;
  /** Inflated. */
  readonly body: Uint8Array;
}

/** A server that keeps sending 1xx responses would renew the header timeout with each. */
const MAX_INFORMATIONAL = 8;

/** Idle connections are kept for the next page of the same site, no longer. */
const KEEP_ALIVE_MS = 4_000;

const DESCRIBES_ENCODING = new Set(['content-encoding', 'content-length', 'transfer-encoding']);

/**
 * The one way out for everything that is fetched on behalf of a run. Each hop: URL rules, one resolution of which every
 * answer must be public, a connection to exactly the vetted address, bounded time and bytes.
 */
export class Egress {
  readonly #policy: EgressPolicy;
  readonly #limits: EgressLimits;
  readonly #userAgent: string;
  readonly #agent: Agent;
  #closed = false;

  /**
   * @param dial replaced only where a test must see what is dialled
   * @throws InvalidInput naming unusable entries of `allow` and `deny`
   */
  constructor(options: EgressOptions, dial: Dial = dialer()) {
    this.#policy = compilePolicy({
      allow: options.allow ?? [],
      deny: options.deny ?? [],
      ports: options.ports ?? [80, 443],
    });
    this.#limits = { ...DEFAULT_LIMITS, ...options.limits };
    this.#userAgent = options.userAgent;
    const { connectMs, headersMs, headerBytes } = this.#limits;
    this.#agent = new Agent({
      connect: vettedConnector({ policy: this.#policy, resolve: options.resolve ?? resolveByLookup, dial, connectMs }),
      allowH2: false,
      headersTimeout: headersMs,
      // The pace of the body is watched by readBody, which a byte now and then does not satisfy.
      bodyTimeout: 0,
      maxHeaderSize: headerBytes,
      keepAliveTimeout: KEEP_ALIVE_MS,
      keepAliveMaxTimeout: KEEP_ALIVE_MS,
    });
  }

  /**
   * Fetches one URL, following redirects. Statuses other than 2xx are returned, not thrown.
   * @throws EgressBlocked when the rules forbid the URL, its address or a redirect; EgressFault when the network or the
   * server fails; Aborted when `signal` fired; InvalidInput for headers that belong to the transport
   */
  async fetch(url: string, request: EgressRequest): Promise<EgressResponse> {
    if (this.#closed) throw new InvalidState('This egress is closed; open a new one to fetch');
    const headers = { accept: request.accept ?? '*/*', ...ownHeaders(request.headers ?? {}) };
    const target = vetUrl(url, this.#policy);
    const deadline = new AbortController();
    const timer = setTimeout(() => deadline.abort(), this.#limits.totalMs);
    const signals = { caller: request.signal, deadline: deadline.signal };
    try {
      return await this.#follow(
        { target, method: request.method ?? 'GET', headers, body: request.body ?? null },
        signals,
      );
    } finally {
      clearTimeout(timer);
    }
  }

  /** Cuts every connection; fetches under way fail as `transient`. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#agent.destroy();
  }

  async #follow(first: Hop, signals: Signals): Promise<EgressResponse> {
    let hop = first;
    for (let redirects = 0; redirects <= this.#limits.redirects; redirects += 1) {
      const response = await this.#ask(hop, signals);
      if (!('location' in response)) return response;
      hop = nextHop(hop, response.status, response.location, this.#policy);
    }
    throw new EgressFault('invalid', `${first.target.host} redirected more than ${this.#limits.redirects} times`);
  }

  async #ask(hop: Hop, signals: Signals): Promise<EgressResponse | { status: number; location: string }> {
    const { host, url } = hop.target;
    const signal = AbortSignal.any([signals.caller, signals.deadline]);
    try {
      const { statusCode: status, headers: raw, body } = await orAborted(this.#send(hop, signal), signal);
      const headers = joined(raw);
      const location = headers['location'];
      if (isRedirect(status) && location !== undefined) {
        body.on('error', () => undefined).destroy();
        return { status, location };
      }
      const contentLength = hop.method === 'HEAD' ? undefined : headers['content-length'];
      const encoded = { contentEncoding: headers['content-encoding'], contentLength };
      const bytes = await orAborted(readBody({ host, body, ...encoded }, this.#limits), signal);
      const plain = Object.entries(headers).filter(([name]) => !DESCRIBES_ENCODING.has(name));
      const contentType = headers['content-type'] ?? '';
      return { url: url.href, status, headers: Object.fromEntries(plain), contentType, body: bytes };
    } catch (error) {
      throw this.#explain(error, host, signals);
    }
  }

  async #send(hop: Hop, signal: AbortSignal): Promise<Dispatcher.ResponseData> {
    const { url, host } = hop.target;
    const chatter = new AbortController();
    let informational = 0;
    const onInfo = () => {
      informational += 1;
      if (informational > MAX_INFORMATIONAL) {
        chatter.abort(
          new EgressFault('invalid', `${host} sent more than ${MAX_INFORMATIONAL} informational responses`),
        );
      }
    };
    return await this.#agent.request({
      origin: url.origin,
      path: url.pathname + url.search,
      method: hop.method,
      headers: { ...hop.headers, 'user-agent': this.#userAgent, 'accept-encoding': ACCEPT_ENCODING },
      body: hop.body,
      signal: AbortSignal.any([signal, chatter.signal]),
      onInfo,
    });
  }

  #explain(error: unknown, host: string, signals: Signals): Error {
    if (signals.caller.aborted) {
      return new Aborted(`The fetch from ${host} was given up: ${messageOf(signals.caller.reason)}`, { cause: error });
    }
    if (signals.deadline.aborted) {
      const { totalMs } = this.#limits;
      return new EgressFault('transient', `${host} gave no complete answer within ${totalMs} ms`, { cause: error });
    }
    return faultOf(error, host);
  }
}

interface Signals {
  readonly caller: AbortSignal;
  readonly deadline: AbortSignal;
}

function joined(headers: Dispatcher.ResponseData['headers']): Record<string, string> {
  const pairs = Object.entries(headers).map(([name, value]) => [
    name.toLowerCase(),
    Array.isArray(value) ? value.join(', ') : (value ?? ''),
  ]);
  return Object.fromEntries(pairs);
}
