import { request } from 'node:http';
import type { Socket } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { buildConnector } from 'undici';
import { InvalidInput, messageOf } from '#errors';
import type { Dial } from './connector.ts';
import { EgressFault, faultOf } from './faults.ts';
import { faultOfRefusal, PROXY_STATUS, PUBLIC_ONLY, traceField } from './refusals.ts';
import { within } from './waiting.ts';

/** What is to be reached over the proxy. */
export interface Beyond {
  readonly host: string;
  readonly port: number;
  /** True: on the operator's allow list here, too. Else the proxy is told to keep its own list shut. */
  readonly exempt: boolean;
}

/** DNS, TCP and an answer, each of which the proxy bounds by a `connectMs` of its own. */
const ANSWER_FACTOR = 3;

const AGAIN_MS = 250;

/** The fleet's egress proxy, as those behind it see it: the one address that is dialled because it was configured. */
export class Upstream {
  readonly #url: URL;
  readonly #dial: Dial;
  readonly #limits: { readonly connectMs: number; readonly headerBytes: number };

  /** @throws InvalidInput when `address` is not like `http://egress:3128` */
  constructor(address: string, limits: { connectMs: number; headerBytes: number }, dial: Dial) {
    const url = URL.parse(address);
    if (url?.protocol !== 'http:' || url.href !== `${url.origin}/`) {
      throw new InvalidInput([{ path: 'ARGOSY_EGRESS_URL', message: 'is not an address like http://egress:3128' }]);
    }
    this.#url = url;
    this.#limits = limits;
    this.#dial = dial;
  }

  /** Where absolute-form requests are sent. */
  get origin(): string {
    return this.#url.origin;
  }

  /** Connects undici: to the proxy for http, through it, with TLS end to end, for https. */
  connector(isExempt: (host: string, port: number) => boolean): buildConnector.connector {
    const secure = buildConnector({ allowH2: false, timeout: this.#limits.connectMs });
    return (target, callback) => {
      const host = target.hostname;
      const port = Number(target.port) || 443;
      const opening =
        target.protocol === 'https:' ? this.open({ host, port, exempt: isExempt(host, port) }) : this.#reach();
      opening.then(
        (socket) => {
          if (target.protocol !== 'https:') callback(null, socket);
          // The certificate and SNI are those of the target: undici takes them from its `host`.
          else secure({ ...target, httpSocket: socket }, callback);
        },
        (error: unknown) => callback(faultOf(error, host), null),
      );
    };
  }

  /**
   * Opens a tunnel.
   * @throws EgressBlocked when the proxy's rules forbid the target; EgressFault
   */
  async open(target: Beyond): Promise<Socket> {
    const link = await this.#reach();
    try {
      return await this.#tunnelled(link, target);
    } catch (error) {
      link.destroy();
      throw error;
    }
  }

  async #reach(): Promise<Socket> {
    const { hostname, port, host } = this.#url;
    const target = { hostname: hostname.replace(/^\[|\]$/g, ''), host, protocol: 'http:', port: port || '80' };
    const { connectMs } = this.#limits;
    const until = performance.now() + connectMs;
    for (;;) {
      try {
        return await this.#dial(target, connectMs);
      } catch (cause) {
        // One that is being started again is worth a moment.
        if (codeIn(cause) !== 'ECONNREFUSED' || performance.now() + AGAIN_MS > until) throw away(codeIn(cause), cause);
      }
      await pause(AGAIN_MS);
    }
  }

  async #tunnelled(link: Socket, { host, port, exempt }: Beyond): Promise<Socket> {
    const authority = `${host.includes(':') ? `[${host}]` : host}:${port}`;
    const { connectMs, headerBytes } = this.#limits;
    const limitMs = connectMs * ANSWER_FACTOR;
    const asking = request({
      method: 'CONNECT',
      path: authority,
      headers: { host: authority, ...(exempt ? {} : PUBLIC_ONLY), ...traceField() },
      createConnection: () => link,
      maxHeaderSize: headerBytes,
    }).end();
    const opening = new Promise<Socket>((resolve, reject) => {
      asking.once('connect', ({ statusCode = 502, headers }, _, head) => {
        if (statusCode >= 300) reject(faultOfRefusal(statusCode, String(headers[PROXY_STATUS] ?? ''), host));
        link.unshift(head);
        resolve(link);
      });
      asking.on('error', (cause) => reject(away(codeIn(cause), cause)));
    });
    return await within(opening, limitMs, () => away(`no answer within ${limitMs} ms`, undefined));
  }
}

/** Said to whoever runs the fleet: nothing that a model or a user could do helps. */
function away(why: string, cause: unknown): EgressFault {
  const message = `The egress proxy that ARGOSY_EGRESS_URL names cannot be used (${why}); pages cannot be fetched until it runs`;
  return new EgressFault('transient', message, { cause, trouble: 'destination_unavailable' });
}

/** The code of a network error, whose message has an address. */
function codeIn(thrown: unknown): string {
  const { code } = (thrown ?? {}) as { code?: unknown };
  return typeof code === 'string' ? code : messageOf(thrown);
}
