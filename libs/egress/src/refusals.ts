import type { ArgosyError } from '#errors';
import { spanHere } from '#platform';
import { EgressBlocked, EgressFault, isTrouble, notPublic, type Trouble, troubled } from './faults.ts';

/** What the proxy answers in place of a server. */
export interface Refusal {
  readonly status: number;
  /** Of RFC 9209 (2.3). */
  readonly error: Trouble | 'http_request_denied' | 'http_request_error' | 'proxy_internal_error';
  readonly words: string;
}

/** Of RFC 9209: tells the proxy's own answers from those of servers, from which it takes this header away. */
export const PROXY_STATUS = 'proxy-status';

const NAME = 'argosy-egress';

/** By which a proxy of ours is told the span that asks, as W3C `traceparent`. It goes no further: a server learns nothing. */
export const TRACE = 'argosy-trace';

/** The field that tells it. */
export function traceField(): Readonly<Record<string, string>> {
  const span = spanHere();
  return span === undefined ? {} : { [TRACE]: span };
}

/** Sent to a proxy whose allow list is not to count for this request. Anyone may send it: it opens nothing. */
export const PUBLIC_ONLY = { 'argosy-egress': 'public-only' } as const;

/** True when a request bears {@link PUBLIC_ONLY}. */
export function isPublicOnly(headers: Readonly<Record<string, unknown>>): boolean {
  return headers['argosy-egress'] !== undefined;
}

/** Also the answer to whatever is neither. */
const WANTED = 'This proxy takes requests for http:// URLs, and CONNECT host:port for https.';

/**
 * The answer to a request that came to nothing. Names neither host nor address, and says the same of everything that the
 * rules forbid: whoever asks learns nothing of the network behind the proxy.
 */
export function refusalOf(fault: unknown): Refusal {
  if (fault instanceof EgressBlocked) {
    return { status: 403, error: 'http_request_denied', words: 'The egress rules forbid this target.' };
  }
  if (!(fault instanceof EgressFault)) {
    return { status: 502, error: 'proxy_internal_error', words: 'The egress proxy failed; its log says why.' };
  }
  const { trouble: error, kind } = fault;
  if (error === undefined) return { status: 400, error: 'http_request_error', words: WANTED };
  const late = error.endsWith('timeout');
  const words = `The server could not be asked (${error}); ${kind === 'transient' ? 'try again' : 'check the address'}.`;
  return { status: late ? 504 : 502, error, words };
}

/** The header fields of a refusal, and its body. */
export function written({ error, words }: Refusal): { headers: Record<string, string>; body: string } {
  const body = `${words}\n`;
  const headers = {
    [PROXY_STATUS]: `${NAME}; error=${error}`,
    'content-type': 'text/plain; charset=utf-8',
    'content-length': String(Buffer.byteLength(body)),
    'cache-control': 'no-store',
    connection: 'close',
  };
  return { headers, body };
}

/** True when a response is the proxy's own and no server's. */
export function isRefusal(proxyStatus: string): boolean {
  return proxyStatus.startsWith(`${NAME};`);
}

/** The fault that a client of the proxy meets, in the words that it would have met without one. */
export function faultOfRefusal(status: number, proxyStatus: string, host: string): ArgosyError {
  const error = /;\s*error=(\w+)/.exec(proxyStatus)?.[1] ?? 'none';
  if (isTrouble(error)) return troubled(error, host);
  if (status === 403) return notPublic(host, `${host} was refused by the egress proxy, whose log says why`);
  const message = `The egress proxy could not fetch from ${host} (status ${status}, ${error}); its log says why`;
  return new EgressFault(status >= 500 ? 'transient' : 'invalid', message);
}
