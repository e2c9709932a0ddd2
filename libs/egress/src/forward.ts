import type { IncomingMessage, OutgoingHttpHeaders, ServerResponse } from 'node:http';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { EgressFault, faultOf } from './faults.ts';
import type { Flow } from './flow.ts';
import type { Outlet } from './outlet.ts';
import type { VettedUrl } from './policy.ts';
import { PROXY_STATUS, PUBLIC_ONLY, TRACE } from './refusals.ts';

/** RFC 9110 7.6.1 and what older clients send; meant for the next hop alone. `expect` is answered by node:http. */
const HOP_BY_HOP = new Set([
  ...['connection', 'proxy-connection', 'keep-alive', 'te', 'trailer', 'transfer-encoding', 'upgrade', 'expect'],
  ...['proxy-authenticate', 'proxy-authorization', 'proxy-authentication-info', ...Object.keys(PUBLIC_ONLY), TRACE],
]);

/** Those of RFC 9110 and PATCH; TRACE would show a page what is between. */
export const FORWARDED_METHODS: ReadonlySet<string> = new Set([
  ...['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'],
]);

/**
 * Sends one request on and its response back, as they come.
 * @throws EgressBlocked or EgressFault; the client of a response that broke off is told by a broken connection
 */
export async function forward(
  exchange: { request: IncomingMessage; response: ServerResponse; target: VettedUrl },
  outlet: Outlet,
  flow: Flow,
): Promise<void> {
  const { request, response, target } = exchange;
  const question = {
    target,
    method: request.method ?? 'GET',
    headers: requestHeaders(request),
    body: hasBody(request)
      ? Readable.from(
          counted(request, (n) => flow.send(n)),
          { objectMode: false },
        )
      : null,
    signal: flow.signal,
  };
  const answer = await outlet.ask(question).catch((error: unknown) => {
    throw faultOf(error, target.host);
  });
  try {
    response.sendDate = false;
    response.writeHead(answer.statusCode, responseHeaders(answer.headers));
    await pipeline(answer.body, (body) => counted(body, (n) => flow.receive(n)), response, { signal: flow.signal });
  } catch (cause) {
    answer.body.on('error', () => undefined).destroy();
    response.destroy();
    throw new EgressFault('transient', `${target.host} sent no whole response`, { cause });
  }
}

/** The client's headers with their spelling and repetitions; undici adds the Host that belongs to the URL. */
function requestHeaders({ rawHeaders, headers }: IncomingMessage): string[] {
  const named = namedBy(headers.connection);
  const kept: string[] = [];
  for (let at = 0; at + 1 < rawHeaders.length; at += 2) {
    const [name = '', value = ''] = rawHeaders.slice(at, at + 2);
    const key = name.toLowerCase();
    if (key !== 'host' && !HOP_BY_HOP.has(key) && !named.has(key)) kept.push(name, value);
  }
  return kept;
}

function responseHeaders(headers: OutgoingHttpHeaders): OutgoingHttpHeaders {
  const named = namedBy(headers['connection']);
  const kept = Object.entries(headers).filter(
    ([name]) => name !== PROXY_STATUS && !HOP_BY_HOP.has(name) && !named.has(name),
  );
  return Object.fromEntries(kept);
}

/** The further headers that `connection` says are for one hop. */
function namedBy(connection: OutgoingHttpHeaders[string]): ReadonlySet<string> {
  const names = [connection ?? ''].flat().join(',').split(',');
  return new Set(names.map((name) => name.trim().toLowerCase()));
}

function hasBody({ headers }: IncomingMessage): boolean {
  return headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0;
}

async function* counted(source: AsyncIterable<Uint8Array>, count: (bytes: number) => void): AsyncGenerator<Uint8Array> {
  for await (const chunk of source) {
    count(chunk.length);
    yield chunk;
  }
}
