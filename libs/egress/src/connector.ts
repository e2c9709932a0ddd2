import { lookup } from 'node:dns/promises';
import { isIP, type Socket } from 'node:net';
import { buildConnector } from 'undici';
import { faultOf, troubled } from './faults.ts';
import { Lookups } from './lookups.ts';
import type { EgressPolicy } from './policy.ts';
import { defaultPort, vetAnswers } from './policy.ts';
import { within } from './waiting.ts';

/** Every address of a host name; rejects when there is none. */
export type Resolve = (host: string) => Promise<readonly string[]>;

/** Opens TCP (and TLS) to `target.hostname`, which is always an address. */
export type Dial = (target: buildConnector.Options, timeoutMs: number) => Promise<Socket>;

/** More would only spend the connect budget on a host that is down. */
const MAX_ATTEMPTS = 3;

/**
 * What the machine's own resolver says, hosts file included, every family. `localhost` and names below it are this
 * machine without asking (RFC 6761): bare containers have no hosts file, and nobody's DNS should be asked for them.
 */
export async function resolveByLookup(host: string): Promise<readonly string[]> {
  if (host === 'localhost' || host.endsWith('.localhost')) return ['127.0.0.1', '::1'];
  return await lookups.addressesOf(host);
}

/** One for the process, as its threads are. */
const lookups = new Lookups(async (host) => {
  const answers = await lookup(host, { all: true });
  return answers.map((answer) => answer.address);
}, 3);

/** Dials by undici's own connector, without HTTP/2: its streams and header frames would escape our bounds. */
export function dialer(): Dial {
  const connectors = new Map<number, buildConnector.connector>();
  return (target, timeoutMs) => {
    const connect = connectors.get(timeoutMs) ?? buildConnector({ allowH2: false, timeout: timeoutMs });
    connectors.set(timeoutMs, connect);
    return new Promise((resolve, reject) => {
      connect(target, (error, socket) => (error ? reject(error) : resolve(socket)));
    });
  };
}

/** What a connection is vetted and made by. */
export interface Guard {
  readonly policy: EgressPolicy;
  readonly resolve: Resolve;
  readonly dial: Dial;
  /** For the DNS answer, and again for all dialled addresses. */
  readonly connectMs: number;
}

/** {@link connectVetted} as undici asks for it. (undici calls a `connect.lookup` only for names, never for literals.) */
export function vettedConnector(guard: Guard): buildConnector.connector {
  return (target, callback) => {
    connectVetted(target, guard).then(
      (socket) => callback(null, socket),
      (error: unknown) => callback(faultOf(error, target.hostname), null),
    );
  };
}

/**
 * The guard: resolver and dialler in one, so that no path reaches an address that was not vetted, and a name is resolved
 * once per connection.
 * @throws EgressBlocked when the host has an address that the policy forbids; EgressFault, or what the dial throws
 */
export async function connectVetted(target: buildConnector.Options, parts: Guard): Promise<Socket> {
  const host = target.hostname;
  const port = Number(target.port) || defaultPort(target.protocol);
  const answers = isIP(host) ? [host] : await resolveWithin(host, parts);
  const addresses = dialOrder(vetAnswers({ host, port }, answers, parts.policy));
  if (addresses.length === 0) throw troubled('destination_not_found', host);

  // The certificate and SNI stay those of the name; getServerName(target.host) sees to it for literals.
  const named = target.protocol === 'https:' && !isIP(host) ? { servername: host } : {};
  let last: unknown;
  for (const address of addresses) {
    try {
      const dialled = { ...target, ...named, hostname: address, port: String(port) };
      return await parts.dial(dialled, Math.ceil(parts.connectMs / addresses.length));
    } catch (error) {
      last = error;
    }
  }
  throw last;
}

function resolveWithin(host: string, { resolve, connectMs }: Guard): Promise<readonly string[]> {
  return within(resolve(host), connectMs, () => troubled('dns_timeout', host));
}

/** The resolver's order, but with the second try in the other family: one of the two is often dead as a whole. */
function dialOrder(addresses: readonly string[]): string[] {
  const [first, ...rest] = addresses;
  if (first === undefined) return [];
  const other = rest.find((address) => isIP(address) !== isIP(first));
  const others = other === undefined ? rest : [other, ...rest.filter((address) => address !== other)];
  return [first, ...others].slice(0, MAX_ATTEMPTS);
}
