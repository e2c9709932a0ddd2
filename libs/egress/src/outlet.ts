import { isIP, type Socket } from 'node:net';
import type { Readable } from 'node:stream';
import { Agent, type Dispatcher } from 'undici';
import {
  connectVetted,
  type Dial,
  dialer,
  type Guard,
  type Resolve,
  resolveByLookup,
  vettedConnector,
} from './connector.ts';
import { EgressFault, faultOf } from './faults.ts';
import {
  type AllowedTarget,
  compilePolicy,
  type EgressPolicy,
  isExempt,
  type VettedUrl,
  vetAnswers,
} from './policy.ts';
import { faultOfRefusal, isRefusal, PROXY_STATUS, PUBLIC_ONLY, traceField } from './refusals.ts';
import { Upstream } from './upstream.ts';

/** What may be reached. */
export interface Rules {
  /** Private targets that the operator named (`ARGOSY_EGRESS_ALLOW`, see `parseAllow`); any port. Default: none. */
  readonly allow?: readonly AllowedTarget[];
  /** CIDRs refused besides everything that is not public: cluster ranges, node addresses. Default: none. */
  readonly deny?: readonly string[];
  /** Ports on which public hosts may be asked. Default: 80 and 443. */
  readonly ports?: readonly number[];
  /** All addresses of a host name. Default: the machine's resolver. */
  readonly resolve?: Resolve;
  /** The proxy that everything goes by (`ARGOSY_EGRESS_URL`), such as `http://egress:3128`; it resolves. Default: none. */
  readonly via?: string | undefined;
}

/** The bounds that every connection keeps. */
export interface OutletLimits {
  readonly connectMs: number;
  readonly headersMs: number;
  readonly headerBytes: number;
}

/** One request, to be sent as it is. */
export interface Question {
  readonly target: VettedUrl;
  readonly method: string;
  /** Names and values in turn where a name repeats. */
  readonly headers: Readonly<Record<string, string>> | string[];
  readonly body: string | Uint8Array | Readable | null;
  readonly signal: AbortSignal;
}

/** A server that keeps sending 1xx responses would renew the header timeout with each. */
const MAX_INFORMATIONAL = 8;

/** Idle connections are kept for the next page of the same site, no longer. */
const KEEP_ALIVE_MS = 4_000;

/** The vetted way to the network, which fetches and the proxy share: whatever is dialled is dialled here. */
export class Outlet {
  readonly policy: EgressPolicy;
  readonly #guard: Guard;
  readonly #upstream: Upstream | null;
  readonly #agent: Agent;
  readonly #limits: OutletLimits;

  /**
   * @param dial replaced only where a test must see what is dialled
   * @throws InvalidInput naming unusable entries of `allow` and `deny`, or an unusable `via`
   */
  constructor(rules: Rules, limits: OutletLimits, dial: Dial = dialer()) {
    const { connectMs, headersMs, headerBytes } = limits;
    const { allow = [], deny = [], ports = [80, 443], resolve = resolveByLookup, via } = rules;
    this.#limits = limits;
    this.policy = compilePolicy({ allow, deny, ports });
    this.#guard = { policy: this.policy, resolve, dial, connectMs };
    this.#upstream = via === undefined ? null : new Upstream(via, { connectMs, headerBytes }, dial);
    this.#agent = new Agent({
      connect:
        this.#upstream?.connector((host, port) => isExempt(this.policy, host, port)) ?? vettedConnector(this.#guard),
      allowH2: false,
      headersTimeout: headersMs,
      // The pace of a body is watched by whoever reads it: a byte now and then would satisfy undici.
      bodyTimeout: 0,
      maxHeaderSize: headerBytes,
      keepAliveTimeout: KEEP_ALIVE_MS,
      keepAliveMaxTimeout: KEEP_ALIVE_MS,
    });
  }

  /** Sends one request to its vetted address. Rejects with whatever the network or undici reports. */
  async ask({ target, method, headers, body, signal }: Question): Promise<Dispatcher.ResponseData> {
    const { url, host } = target;
    const chatter = new AbortController();
    let informational = 0;
    const onInfo = () => {
      informational += 1;
      if (informational <= MAX_INFORMATIONAL) return;
      const message = `${host} sent more than ${MAX_INFORMATIONAL} informational responses`;
      chatter.abort(new EgressFault('invalid', message, { trouble: 'http_protocol_error' }));
    };
    const response = await this.#agent.request({
      ...this.#route(target, headers),
      method: method as Dispatcher.HttpMethod, // undici checks that it is a token
      body,
      signal: AbortSignal.any([signal, chatter.signal]),
      onInfo,
    });
    const refusal = this.#upstream && url.protocol === 'http:' ? String(response.headers[PROXY_STATUS] ?? '') : '';
    if (!isRefusal(refusal)) return response;
    response.body.on('error', () => undefined).destroy();
    throw faultOfRefusal(response.statusCode, refusal, host);
  }

  /**
   * Opens a TCP connection to a vetted address of the target.
   * @throws EgressBlocked or EgressFault
   */
  async open(target: VettedUrl): Promise<Socket> {
    const { host, port } = target;
    try {
      this.#vetLiteral(target);
      if (this.#upstream) return await this.#upstream.open(target);
      return await connectVetted({ hostname: host, host, protocol: 'http:', port: String(port) }, this.#guard);
    } catch (error) {
      throw faultOf(error, host);
    }
  }

  /** What undici is to connect to and ask for. A proxy gets the whole URL of http; of https it only sees the host. */
  #route(
    target: VettedUrl,
    headers: Question['headers'],
  ): Pick<Dispatcher.RequestOptions, 'origin' | 'path' | 'headers' | 'headersTimeout'> {
    this.#vetLiteral(target);
    const { url, exempt } = target;
    if (this.#upstream === null || url.protocol === 'https:') {
      return { origin: url.origin, path: url.pathname + url.search, headers };
    }
    const more = { host: url.host, ...(exempt ? {} : PUBLIC_ONLY), ...traceField() };
    const all = Array.isArray(headers) ? [...headers, ...Object.entries(more).flat()] : { ...headers, ...more };
    const { connectMs, headersMs } = this.#limits;
    // The proxy looks the name up and connects before it can ask.
    const headersTimeout = headersMs + 2 * connectMs;
    return { origin: this.#upstream.origin, path: url.href, headers: all, headersTimeout };
  }

  /** Of a host that is an address no resolver is asked, here or elsewhere. */
  #vetLiteral({ host, port }: VettedUrl): void {
    if (isIP(host)) vetAnswers({ host, port }, [host], this.policy);
  }

  /** Cuts every connection of {@link ask}. */
  async close(): Promise<void> {
    await this.#agent.destroy();
  }
}
