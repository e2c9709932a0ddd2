import type { Socket } from 'node:net';
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
import { type AllowedTarget, compilePolicy, type EgressPolicy, type VettedUrl } from './policy.ts';

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
  readonly #agent: Agent;

  /**
   * @param dial replaced only where a test must see what is dialled
   * @throws InvalidInput naming unusable entries of `allow` and `deny`
   */
  constructor(rules: Rules, { connectMs, headersMs, headerBytes }: OutletLimits, dial: Dial = dialer()) {
    const { allow = [], deny = [], ports = [80, 443], resolve = resolveByLookup } = rules;
    this.policy = compilePolicy({ allow, deny, ports });
    this.#guard = { policy: this.policy, resolve, dial, connectMs };
    this.#agent = new Agent({
      connect: vettedConnector(this.#guard),
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
    return await this.#agent.request({
      origin: url.origin,
      path: url.pathname + url.search,
      method: method as Dispatcher.HttpMethod, // undici checks that it is a token
      headers,
      body,
      signal: AbortSignal.any([signal, chatter.signal]),
      onInfo,
    });
  }

  /**
   * Opens a TCP connection to a vetted address of the target.
   * @throws EgressBlocked or EgressFault
   */
  async open({ host, port }: VettedUrl): Promise<Socket> {
    try {
      return await connectVetted({ hostname: host, host, protocol: 'http:', port: String(port) }, this.#guard);
    } catch (error) {
      throw faultOf(error, host);
    }
  }

  /** Cuts every connection of {@link ask}. */
  async close(): Promise<void> {
    await this.#agent.destroy();
  }
}
