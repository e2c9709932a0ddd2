import { InvalidInput } from '#errors';
import { EgressBlocked } from './faults.ts';
import type { EgressPolicy, VettedUrl } from './policy.ts';
import { vetUrl } from './policy.ts';

export type Method = 'GET' | 'HEAD' | 'POST' | 'PUT' | 'DELETE';

/** One request of the chain that a fetch consists of. */
export interface Hop {
  readonly target: VettedUrl;
  readonly method: Method;
  /** Lower-case names. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | Uint8Array | null;
}

/** Headers that say where a request goes, how it is framed and who asks: the transport's own. */
const RESERVED = new Set([
  ...['host', 'connection', 'keep-alive', 'te', 'trailer', 'transfer-encoding', 'upgrade', 'content-length', 'expect'],
  ...['accept-encoding', 'user-agent', 'proxy-authorization', 'proxy-connection'],
]);

/** All that another origin gets to see. API keys travel in headers of any name, so the safe ones are listed. */
const PUBLIC = new Set(['accept', 'accept-language']);

/**
 * The caller's headers with lower-case names.
 * @throws InvalidInput naming each header that belongs to the transport
 */
export function ownHeaders(headers: Readonly<Record<string, string>>): Record<string, string> {
  const own = Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value] as const);
  const reserved = own.filter(([name]) => RESERVED.has(name));
  if (reserved.length > 0) {
    throw new InvalidInput(
      reserved.map(([name]) => ({ path: `headers.${name}`, message: 'is set by egress; leave it out' })),
    );
  }
  return Object.fromEntries(own);
}

/** True for the statuses that name another place; 304 and 300 do not. */
export function isRedirect(status: number): boolean {
  return status === 301 || status === 302 || status === 303 || status === 307 || status === 308;
}

/**
 * The request that follows a redirect. Pure. Methods change as in the Fetch standard (HTTP-redirect fetch, step 12).
 * @throws EgressBlocked when the rules forbid the new target, or a request body would go to another origin
 */
export function nextHop(hop: Hop, status: number, location: string, policy: EgressPolicy): Hop {
  const target = vetUrl(location, policy, hop.target);
  const sameOrigin = target.url.origin === hop.target.url.origin;
  const becomesGet =
    (status === 303 && hop.method !== 'HEAD') || ((status === 301 || status === 302) && hop.method === 'POST');
  const method = becomesGet ? 'GET' : hop.method;
  const body = becomesGet ? null : hop.body;
  if (body !== null && !sameOrigin) {
    const why = 'a redirect may not carry a request body to another origin';
    throw new EgressBlocked(
      `${target.url.host} was not fetched: ${why}`,
      `${hop.target.url.host} -> ${target.url.host}: ${why}`,
    );
  }
  const kept = Object.entries(hop.headers).filter(
    ([name]) => (sameOrigin || PUBLIC.has(name)) && !(becomesGet && name.startsWith('content-')),
  );
  return { target, method, headers: Object.fromEntries(kept), body };
}
