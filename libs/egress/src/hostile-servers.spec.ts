import type { RequestListener } from 'node:http';
import { createServer as createTcpServer, type Socket } from 'node:net';
import { getCACertificates, setDefaultCACertificates } from 'node:tls';
import * as zlib from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type Certified, newAuthority } from '../../../test/support/certificates.ts';
import { atEnd, listening, serve, serveRaw, serveTls } from '../../../test/support/web-servers.ts';
import { type Dial, dialer, type Resolve } from './connector.ts';
import { Egress } from './egress.ts';
import { EgressBlocked } from './faults.ts';
import type { EgressLimits } from './limits.ts';
import { EgressProxy } from './proxy.ts';

const authority = newAuthority();
const trusted = getCACertificates();
beforeAll(() => setDefaultCACertificates([...trusted, authority.cert]));
afterAll(() => setDefaultCACertificates(trusted));

/** The one address that the names of this internet have, but for `intra.example`. */
const address = '93.184.216.34';
const resolve: Resolve = async (host) => [host === 'intra.example' ? '10.0.0.1' : address];

/** An internet of which port 80 and port 443 are servers on loopback. */
function internet(ports: { http?: number; https?: number }): Dial {
  const dial = dialer();
  return async (target, limitMs) => {
    if (target.hostname !== address) throw new Error(`dialled ${target.hostname}`);
    const port = target.port === '443' ? ports.https : ports.http;
    return await dial({ ...target, hostname: '127.0.0.1', port: String(port) }, limitMs);
  };
}

type Fetch = (url: string) => Promise<unknown>;

function faultsOf(egress: Egress): Fetch {
  atEnd(() => egress.close());
  return (url) => egress.fetch(url, { signal: new AbortController().signal }).catch((error: unknown) => error);
}

/** Each opens a fetch that hands back its fault. */
const ways: readonly [name: string, open: (dial: Dial, limits?: Partial<EgressLimits>) => Promise<Fetch>][] = [
  ['directly', async (dial, limits = {}) => faultsOf(new Egress({ userAgent: 'test', resolve, limits }, dial))],
  [
    'by the proxy',
    async (dial, limits = {}) => {
      const proxy = await EgressProxy.start({ resolve }, dial);
      atEnd(() => proxy.close(0));
      return faultsOf(new Egress({ userAgent: 'test', via: proxy.url, limits }));
    },
  ],
];

/** Sends `words` until nobody listens any more. */
function forever(socket: Socket, words: string | Uint8Array): void {
  const more = () => {
    while (!socket.destroyed && socket.write(words));
  };
  socket.on('drain', more);
  more();
}

const encoded = (encoding: string, body: Uint8Array): RequestListener => {
  return (_, response) => response.setHeader('content-encoding', encoding).end(body);
};

const zeros = new Uint8Array(48 * 1024 * 1024);
const gzipBomb = zlib.gzipSync(zeros);
const fewest = { [zlib.constants.BROTLI_PARAM_QUALITY]: 1 };
const emptyMembers = Buffer.alloc(1_000_000, zlib.gzipSync(''));

/** Servers that speak HTTP and mean ill. */
const hostile: readonly (readonly [what: string, answer: RequestListener, words: RegExp])[] = [
  ['a gzip bomb', encoded('gzip', gzipBomb), /inflates more than 100 times/],
  ['a brotli bomb', encoded('br', zlib.brotliCompressSync(zeros, { params: fewest })), /inflates more than 100 times/],
  ['a zstd bomb', encoded('zstd', zlib.zstdCompressSync(zeros)), /inflates more than 100 times/],
  ['a gzip bomb within gzip', encoded('gzip, gzip', zlib.gzipSync(gzipBomb)), /inflates more than 100 times/],
  ['layers of nothing', encoded('gzip, gzip', zlib.gzipSync(emptyMembers)), /inflates more than 100 times/],
  ['three layers', encoded('gzip, gzip, gzip', gzipBomb), /3 content-encodings; at most 2/],
  ['an encoding of its own making', encoded('rot13', Buffer.from('uryyb')), /content-encoding "rot13"/],
  ['what is not encoded as it says', encoded('gzip', Buffer.from('plain')), /content-encoding cannot decode/],
  [
    'a length above the limit',
    (_, response) => response.setHeader('content-length', 2 ** 40).write('x'),
    /over the limit/,
  ],
  [
    'a redirect loop',
    (_, response) => response.writeHead(302, { location: '/' }).end(),
    /redirected more than 5 times/,
  ],
];

/** Servers that speak HTTP badly or not at all. */
const uncouth: readonly (readonly [what: string, answer: (socket: Socket) => void, kind: string, words: RegExp])[] = [
  [
    'headers without end',
    (socket) => {
      socket.write('HTTP/1.1 200 OK\r\n');
      forever(socket, `x-filler: ${'y'.repeat(1_000)}\r\n`);
    },
    'invalid',
    /headers over the size limit/,
  ],
  [
    'one header line without end',
    (socket) => {
      socket.write('HTTP/1.1 200 OK\r\nx-filler: ');
      forever(socket, 'y'.repeat(4_000));
    },
    'invalid',
    /headers over the size limit/,
  ],
  [
    'informational responses without end',
    (socket) => forever(socket, 'HTTP/1.1 103 Early Hints\r\n\r\n'),
    'invalid',
    /informational|valid HTTP/,
  ],
  [
    'a body without end',
    (socket) => {
      socket.write('HTTP/1.1 200 OK\r\n\r\n');
      forever(socket, new Uint8Array(64 * 1024));
    },
    'invalid',
    /over the limit/,
  ],
  ['something else', (socket) => socket.end('SSH-2.0-OpenSSH_9.6\r\n'), 'invalid', /valid HTTP/],
  ['nothing, and hangs up', (socket) => socket.end(), 'transient', /broke the connection off/],
  [
    'half a body, and hangs up',
    (socket) => socket.end('HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nshort'),
    'transient',
    /broke the connection off|could not be fetched/,
  ],
];

describe.each(ways)('fetched %s', (_, open) => {
  it.each(hostile)('a server that sends %s gives an invalid fault', async (_, answer, words) => {
    const site = await serve(answer);
    const fetch = await open(internet({ http: site.port }));
    const fault = { name: 'EgressFault', kind: 'invalid', message: expect.stringMatching(words) };
    expect(await fetch('http://site.example/')).toMatchObject(fault);
  });

  it.each(uncouth)('a server that sends %s gives a typed fault', async (_, answer, kind, words) => {
    const site = await serveRaw(answer);
    const fetch = await open(internet({ http: site.port }));
    const fault = { name: 'EgressFault', kind, message: expect.stringMatching(words) };
    expect(await fetch('http://site.example/')).toMatchObject(fault);
  });

  it('a server that sends a byte a minute is given up', async () => {
    const site = await serve((_, response) => response.write('x'));
    const fetch = await open(internet({ http: site.port }), { throughputWindowMs: 50 });
    expect(await fetch('http://site.example/')).toMatchObject({
      kind: 'transient',
      message: expect.stringMatching(/slower than 256 bytes/),
    });
  });

  it('a server that sends no header is given up', async () => {
    const site = await serveRaw(() => undefined);
    const fetch = await open(internet({ http: site.port }), { headersMs: 100, connectMs: 1_000 });
    expect(await fetch('http://site.example/')).toMatchObject({
      kind: 'transient',
      message: expect.stringMatching(/header in time/),
    });
  });

  it('a server that is slow in everything is given up after the total time', async () => {
    const site = await serve((_, response) => response.write('x'));
    const fetch = await open(internet({ http: site.port }), { totalMs: 100 });
    const words = 'site.example gave no complete answer within 100 ms';
    expect(await fetch('http://site.example/')).toMatchObject({ kind: 'transient', retryable: true, message: words });
  });

  it.each(['http://127.0.0.1/', 'http://intra.example/', 'https://intra.example/', 'http://[::ffff:7f00:1]/'])(
    'a redirect at the third hop does not lead to %s',
    async (victim) => {
      const site = await serve((request, response) => {
        const next = { '/1': '/2', '/2': '/3', '/3': victim }[request.url ?? ''];
        response.writeHead(302, { location: next }).end('moved');
      });
      const fetch = await open(internet({ http: site.port }));
      expect(await fetch('http://site.example/1')).toBeInstanceOf(EgressBlocked);
      expect(site.seen.map(({ url }) => url)).toEqual(['/1', '/2', '/3']);
    },
  );

  it('a redirect does not lead from https to http', async () => {
    const plain = await serve((_, response) => response.end('eavesdropped'));
    const site = await serveTls(authority.certify(['site.example']), (_, response) => {
      response.writeHead(301, { location: 'http://site.example/' }).end();
    });
    const fetch = await open(internet({ http: plain.port, https: site.port }));
    expect(await fetch('https://site.example/')).toBeInstanceOf(EgressBlocked);
    expect(site.seen.length).toBe(1);
    expect(plain.seen).toEqual([]);
  });

  it('a certificate of an authority that this machine trusts is taken', async () => {
    const site = await serveTls(authority.certify(['site.example']), (_, response) => response.end('page'));
    const fetch = await open(internet({ https: site.port }));
    expect(await fetch('https://site.example/')).toMatchObject({ status: 200 });
  });

  it.each<[string, () => Certified]>([
    ['of another name', () => authority.certify(['other.example'])],
    ['that has expired', () => authority.certify(['site.example'], { expired: true })],
    ['of an authority that nobody knows', () => newAuthority('stranger').certify(['site.example'])],
  ])('a certificate %s is not taken', async (_, certify) => {
    const site = await serveTls(certify(), (_, response) => response.end('forged'));
    const fetch = await open(internet({ https: site.port }));
    const fault = { name: 'EgressFault', kind: 'invalid', trouble: 'tls_certificate_error' };
    expect(await fetch('https://site.example/')).toMatchObject(fault);
    expect(site.seen).toEqual([]);
  });

  it('a server that does not speak TLS gives a typed fault', async () => {
    const site = await serveRaw((socket) => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n'));
    const fetch = await open(internet({ https: site.port }));
    expect(await fetch('https://site.example/')).toMatchObject({ name: 'EgressFault', kind: 'invalid' });
  });

  it('a server that is down gives a transient fault without its address', async () => {
    const down = createTcpServer();
    const port = await listening(down);
    down.close();
    const fetch = await open(internet({ http: port }));
    const fault = await fetch('http://site.example/');
    expect(fault).toMatchObject({
      kind: 'transient',
      message: expect.stringMatching(/^site\.example refused the connection/),
    });
    expect(String(fault)).not.toMatch(/127\.0|93\.184/);
  });
});
