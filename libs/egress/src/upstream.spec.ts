import { once } from 'node:events';
import { connect, createServer as createTcpServer } from 'node:net';
import { getCACertificates, setDefaultCACertificates } from 'node:tls';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { InvalidInput } from '#errors';
import { newAuthority } from '../../../test/support/certificates.ts';
import { atEnd, listening, serve, serveRaw, serveTls } from '../../../test/support/web-servers.ts';
import type { Dial } from './connector.ts';
import { Egress, type EgressOptions, type EgressRequest } from './egress.ts';
import { EgressBlocked } from './faults.ts';
import { EgressProxy, type Exchange, type ProxyOptions } from './proxy.ts';

const authority = newAuthority();
const trusted = getCACertificates();
beforeAll(() => setDefaultCACertificates([...trusted, authority.cert]));
afterAll(() => setDefaultCACertificates(trusted));

const local = (...ports: readonly number[]) => ports.map((port) => ({ host: '127.0.0.1', port }));

/** A proxy, and a dial of its own for where tests play the internet. */
async function proxy(options: ProxyOptions = {}, dial?: Dial) {
  const exchanges: Exchange[] = [];
  const started = await EgressProxy.start({ onExchange: (one) => exchanges.push(one), ...options }, dial);
  atEnd(() => started.close(0));
  return { url: started.url, exchanges, close: () => started.close(0) };
}

function egressBy(via: string, options: Partial<EgressOptions> = {}): Egress {
  const egress = new Egress({ userAgent: 'argosy-test (+mailto:ops@example.org)', via, ...options });
  atEnd(() => egress.close());
  return egress;
}

function get(egress: Egress, url: string, request: Partial<EgressRequest> = {}) {
  return egress.fetch(url, { signal: new AbortController().signal, ...request });
}

function faultOf(egress: Egress, url: string): Promise<unknown> {
  return get(egress, url).catch((error: unknown) => error);
}

/** Dials a port of loopback in place of every public address. */
function playing(port: number, dialled: string[] = []): Dial {
  return async ({ hostname }) => {
    dialled.push(hostname);
    const socket = connect(port, '127.0.0.1');
    await once(socket, 'connect');
    return socket;
  };
}

const publicName = async () => ['93.184.216.34'];

describe('a fetch by a proxy', () => {
  it('asks in absolute form for http, with all that it sends itself', async () => {
    const site = await serve((request, response) => {
      response.setHeader('content-encoding', 'gzip');
      response.end(gzipSync(request.url === '/a?b' ? 'page' : 'other'));
    });
    const { url, exchanges } = await proxy({ allow: local(site.port) });
    const answer = await get(egressBy(url, { allow: local(site.port) }), `${site.at}/a?b#c`, {
      headers: { 'x-key': 'k' },
    });
    expect(answer).toMatchObject({ status: 200, url: `${site.at}/a?b` });
    expect(Buffer.from(answer.body).toString()).toBe('page');
    expect(site.seen[0]?.headers).toMatchObject({ host: `127.0.0.1:${site.port}`, 'x-key': 'k' });
    expect(site.seen[0]?.headers).not.toHaveProperty('argosy-egress');
    expect(exchanges).toMatchObject([{ form: 'absolute', outcome: 'done', asked: `${site.at}/a?b` }]);
  });

  it('tunnels https, and the proxy sees the host and nothing else', async () => {
    const site = await serveTls(authority.certify(['shop.example']), (_, response) => response.end('secret page'));
    const dialled: string[] = [];
    const { url, exchanges, close } = await proxy({ resolve: publicName }, playing(site.port, dialled));
    const answer = await get(egressBy(url), 'https://shop.example/path?query');
    expect(Buffer.from(answer.body).toString()).toBe('secret page');
    expect(site.seen[0]).toMatchObject({ url: '/path?query', headers: { host: 'shop.example' } });
    await close();
    expect(dialled).toEqual(['93.184.216.34']);
    expect(exchanges).toMatchObject([{ form: 'connect', asked: 'shop.example:443' }]);
  });

  it('follows redirects here, under the rules here', async () => {
    const site = await serve((request, response) => {
      response.writeHead(302, { location: request.url === '/' ? '/2' : 'http://10.0.0.1/' }).end();
    });
    const { url, exchanges } = await proxy({ allow: local(site.port) });
    const fault = await faultOf(egressBy(url, { allow: local(site.port) }), site.at);
    expect(fault).toBeInstanceOf(EgressBlocked);
    expect(exchanges.map(({ asked }) => asked)).toEqual([`${site.at}/`, `${site.at}/2`]);
  });

  it('keeps its own limits of bytes', async () => {
    const site = await serve((_, response) => response.end(new Uint8Array(5_000)));
    const { url } = await proxy({ allow: local(site.port) });
    const egress = egressBy(url, { allow: local(site.port), limits: { compressedBytes: 4_000 } });
    await expect(get(egress, site.at)).rejects.toThrow(/limit of 4000 bytes/);
  });
});

describe('what the proxy refuses', () => {
  it.each(['http://intra.example/', 'https://intra.example/'])(
    'is blocked, in the words of a direct fetch: %s',
    async (at) => {
      const resolve = async () => ['10.11.12.13'];
      const { url, exchanges } = await proxy({ resolve });
      const direct = new Egress({ userAgent: 'test', resolve });
      atEnd(() => direct.close());
      const fault = await faultOf(egressBy(url), at);
      expect(fault).toBeInstanceOf(EgressBlocked);
      expect(String(fault)).toBe(String(await faultOf(direct, at)));
      expect((fault as EgressBlocked).detail).not.toContain('10.11');
      expect(exchanges).toMatchObject([{ outcome: 'blocked' }]);
    },
  );

  it('is told from what a server answers, whatever that says', async () => {
    const site = await serve((_, response) => {
      response.writeHead(403, { 'proxy-status': 'argosy-egress; error=http_request_denied' }).end('mine');
    });
    const { url } = await proxy({ allow: local(site.port) });
    const answer = await get(egressBy(url, { allow: local(site.port) }), site.at);
    expect(answer).toMatchObject({ status: 403 });
    expect(Buffer.from(answer.body).toString()).toBe('mine');
  });

  it.each([
    ['ENOTFOUND', 'invalid', 'a.example has no such host name in DNS; check the spelling'],
    ['EAI_AGAIN', 'transient', 'a.example could not be looked up in DNS'],
  ])('for want of a name (%s) is %s', async (code, kind, message) => {
    const { url } = await proxy({ resolve: () => Promise.reject(Object.assign(new Error('dns'), { code })) });
    const egress = egressBy(url);
    for (const at of ['http://a.example/', 'https://a.example/'])
      expect(await faultOf(egress, at)).toMatchObject({ name: 'EgressFault', kind, message });
  });

  it.each([
    ['ECONNREFUSED', 'a.example refused the connection'],
    ['UND_ERR_CONNECT_TIMEOUT', 'a.example did not accept a connection in time'],
    ['EODD', 'a.example could not be fetched'],
  ])('because the server is away (%s) is transient', async (code, message) => {
    const dial: Dial = () => Promise.reject(Object.assign(new Error('connect 10.1.1.1'), { code }));
    const { url } = await proxy({ resolve: publicName }, dial);
    const egress = egressBy(url);
    for (const at of ['http://a.example/', 'https://a.example/'])
      expect(await faultOf(egress, at)).toMatchObject({ kind: 'transient', message });
  });
});

describe('the two allow lists', () => {
  it('open a target only together', async () => {
    const site = await serve((_, response) => response.end('internal'));
    const allow = local(site.port);
    const [open, shut] = [await proxy({ allow }), await proxy({ ports: [80, site.port] })];
    expect((await get(egressBy(open.url, { allow }), site.at)).status).toBe(200);
    expect(await faultOf(egressBy(shut.url, { allow }), site.at)).toBeInstanceOf(EgressBlocked);
    expect(await faultOf(egressBy(open.url), site.at)).toBeInstanceOf(EgressBlocked);
    expect(site.seen.length).toBe(1);
  });

  it('hide a name that only the proxy is allowed, on the ports of the web too', async () => {
    const site = await serve((_, response) => response.end('internal'));
    const allow = [{ host: 'search.internal', port: site.port }];
    const { url } = await proxy({ allow, ports: [site.port], resolve: async () => ['127.0.0.1'] });
    expect((await get(egressBy(url, { allow }), `http://search.internal:${site.port}/`)).status).toBe(200);
    for (const scheme of ['http', 'https']) {
      const stricter = egressBy(url, { ports: [site.port] });
      expect(await faultOf(stricter, `${scheme}://search.internal:${site.port}/`)).toBeInstanceOf(EgressBlocked);
    }
    expect(site.seen.length).toBe(1);
  });

  it('are asked before the proxy is, where the host is an address', async () => {
    const { url, exchanges } = await proxy();
    for (const at of ['http://10.0.0.1/', 'https://[::1]/', 'http://2130706433/', 'https://[64:ff9b::a9fe:a9fe]/'])
      expect(await faultOf(egressBy(url), at)).toBeInstanceOf(EgressBlocked);
    expect(exchanges).toEqual([]);
  });
});

describe('a proxy behind a proxy', () => {
  it('passes both forms on, and refusals back', async () => {
    const site = await serve((_, response) => response.end('plain'));
    const secure = await serveTls(authority.certify(['shop.example']), (_, response) => response.end('secure'));
    const dial: Dial = async (target, limitMs) =>
      playing(target.port === '443' ? secure.port : site.port)(target, limitMs);
    const resolve = async (host: string) => [host === 'intra.example' ? '10.0.0.1' : '93.184.216.34'];
    const outer = await proxy({ resolve }, dial);
    const inner = await proxy({ via: outer.url, resolve: () => Promise.reject(new Error('asked the resolver')) });
    const egress = egressBy(inner.url);
    expect(Buffer.from((await get(egress, 'http://shop.example/')).body).toString()).toBe('plain');
    expect(Buffer.from((await get(egress, 'https://shop.example/')).body).toString()).toBe('secure');
    for (const at of ['http://intra.example/', 'https://intra.example/'])
      expect(await faultOf(egress, at)).toBeInstanceOf(EgressBlocked);
    expect(inner.exchanges.filter(({ outcome }) => outcome === 'blocked').length).toBe(2);
  });
});

describe('a proxy that does not work', () => {
  const words =
    /^The egress proxy that ARGOSY_EGRESS_URL names cannot be used \((ECONNREFUSED|ECONNRESET|HPE_\w+|no answer within 150 ms)\)/;

  it('is named to the operator, as a transient fault without its address, when nobody listens', async () => {
    const gone = createTcpServer();
    const via = `http://127.0.0.1:${await listening(gone)}`;
    gone.close();
    for (const at of ['http://a.example/', 'https://a.example/']) {
      const fault = await faultOf(egressBy(via, { limits: { connectMs: 100 } }), at);
      expect(fault).toMatchObject({ name: 'EgressFault', kind: 'transient', message: expect.stringMatching(words) });
      expect(String(fault)).not.toContain('127.0.0.1');
    }
  });

  it('is waited for while it is started again', async () => {
    const site = await serve((_, response) => response.end('page'));
    const allow = local(site.port);
    const first = await EgressProxy.start({ allow });
    const port = Number(new URL(first.url).port);
    await first.close(0);
    const fetching = get(egressBy(first.url, { allow }), site.at);
    await proxy({ allow, port });
    expect((await fetching).status).toBe(200);
  });

  it.each([
    ['is silent', (): undefined => undefined],
    ['hangs up', 'end'],
    ['speaks something else', 'SSH-2.0-OpenSSH_9.6\r\n'],
  ])('is named when it %s', async (_, answer) => {
    const site = await serveRaw((socket) => {
      if (answer === 'end') socket.resetAndDestroy();
      else if (typeof answer === 'string') socket.end(answer);
    });
    const egress = egressBy(site.at, { limits: { connectMs: 50 } });
    expect(await faultOf(egress, 'https://a.example/')).toMatchObject({
      kind: 'transient',
      message: expect.stringMatching(words),
    });
  });

  it.each([
    'https://egress:3128',
    'http://egress:3128/path',
    'http://u:p@egress:3128',
    'egress:3128',
    'socks5://egress',
  ])('is refused at the start when its address is %s', (via) => {
    expect(() => new Egress({ userAgent: 'test', via })).toThrow(InvalidInput);
  });
});
