import type { Dispatcher } from 'undici';
import { Aborted, InvalidState, messageOf } from '#errors';
import { inSpan, type OpenSpan, spanKeys } from '#platform';
import { ACCEPT_ENCODING, readBody } from './body.ts';
import type { Dial } from './connector.ts';
import { EgressFault, faultOf } from './faults.ts';
import { DEFAULT_LIMITS, type EgressLimits } from './limits.ts';
import { Outlet, type Rules } from './outlet.ts';
import { vetUrl } from './policy.ts';
import { type Hop, isRedirect, type Method, nextHop, ownHeaders } from './redirects.ts';
import { orAborted } from './waiting.ts';

/** How a process may reach the outside. */
export interface EgressOptions extends Rules {
  /** Who asks, with an address for complaints; sent with every request. */
  readonly userAgent: string;
  readonly limits?: Partial<EgressLimits>;
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
  /** Awaited before a redirect is followed to `url`; what it throws ends the fetch, and nothing is sent there. */
  readonly onRedirect?: (url: URL) => Promise<void>;
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

const DESCRIBES_ENCODING = new Set(['content-encoding', 'content-length', 'transfer-encoding']);

/**
 * The one way out for everything that is fetched on behalf of a run. Each hop: URL rules, one resolution of which every
 * answer must be public, a connection to exactly the vetted address, bounded time and bytes.
 */
export class Egress {
  readonly #outlet: Outlet;
  readonly #limits: EgressLimits;
  readonly #userAgent: string;
  #closed = false;

  /**
   * @param dial replaced only where a test must see what is dialled
   * @throws InvalidInput naming unusable entries of `allow` and `deny`
   */
  constructor({ userAgent, limits, ...rules }: EgressOptions, dial?: Dial) {
    this.#limits = { ...DEFAULT_LIMITS, ...limits };
    this.#userAgent = userAgent;
    this.#outlet = new Outlet(rules, this.#limits, dial);
  }

  /**
   * Fetches one URL, following redirects. Statuses other than 2xx are returned, not thrown.
   * @throws EgressBlocked when the rules forbid the URL, its address or a redirect; EgressFault when the network or the
   * server fails; Aborted when `signal` fired; InvalidInput for headers that belong to the transport
   */
  async fetch(url: string, request: EgressRequest): Promise<EgressResponse> {
    if (this.#closed) throw new InvalidState('This egress is closed; open a new one to fetch');
    const headers = { accept: request.accept ?? '*/*', ...ownHeaders(request.headers ?? {}) };
    const target = vetUrl(url, this.#outlet.policy);
    const deadline = new AbortController();
    const timer = setTimeout(() => deadline.abort(), this.#limits.totalMs);
    const signals = { caller: request.signal, deadline: deadline.signal };
    const first = { target, method: request.method ?? 'GET', headers, body: request.body ?? null };
    try {
      return await traced(first, async (span) => await this.#follow(first, { ...signals, span }, request.onRedirect));
    } finally {
      clearTimeout(timer);
    }
  }

  /** Cuts every connection; fetches under way fail as `transient`. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#outlet.close();
  }

  async #follow(first: Hop, signals: Asking, onRedirect: EgressRequest['onRedirect']): Promise<EgressResponse> {
    let hop = first;
    for (let redirects = 0; redirects <= this.#limits.redirects; redirects += 1) {
      const response = await this.#ask(hop, signals);
      if (!('location' in response)) return noted(response, redirects, signals.span);
      hop = nextHop(hop, response.status, response.location, this.#outlet.policy);
      await onRedirect?.(hop.target.url);
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

  async #send({ target, method, headers, body }: Hop, signal: AbortSignal): Promise<Dispatcher.ResponseData> {
    const own = { 'user-agent': this.#userAgent, 'accept-encoding': ACCEPT_ENCODING };
    return await this.#outlet.ask({ target, method, headers: { ...headers, ...own }, body, signal });
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

interface Asking extends Signals {
  readonly span: OpenSpan;
}

/** Of the address no more than its host: paths and queries hold what somebody wants to know. */
async function traced<T>({ target, method }: Hop, work: (span: OpenSpan) => Promise<T>): Promise<T> {
  const fields = { [spanKeys.method]: method, [spanKeys.host]: target.host };
  return await inSpan('fetch', { kind: 'client', fields }, work);
}

function noted(response: EgressResponse, redirects: number, span: OpenSpan): EgressResponse {
  const { status, body } = response;
  span.set({
    [spanKeys.status]: status,
    [spanKeys.receivedBytes]: body.byteLength,
    [spanKeys.redirects]: redirects,
  });
  return response;
}

function joined(headers: Dispatcher.ResponseData['headers']): Record<string, string> {
  const pairs = Object.entries(headers).map(([name, value]) => [
    name.toLowerCase(),
    Array.isArray(value) ? value.join(', ') : (value ?? ''),
  ]);
  return Object.fromEntries(pairs);
}
