import { once } from 'node:events';
import { type ClientRequest, type IncomingMessage, request } from 'node:http';
import { connect, createServer as createTcpServer, type Socket } from 'node:net';
import { text } from 'node:stream/consumers';
import { describe, expect, it } from '@jest/globals';
import { InvalidInput } from '#errors';
import { atEnd, listening, serve, serveRaw } from '../../../test/support/web-servers.ts';
import type { Dial } from './connector.ts';
import { EgressProxy, type Exchange, type ProxyOptions } from './index.ts';

interface Watched {
  readonly proxy: EgressProxy;
  readonly exchanges: Exchange[];
  /** The next exchange to end. */
  next(): Promise<Exchange>;
}

/** A proxy that opens the given loopback ports and nothing else. */
async function proxyTo(ports: readonly number[], options: ProxyOptions = {}, dial?: Dial): Promise<Watched> {
  const allow = ports.map((port) => ({ host: '127.0.0.1', port }));
  const exchanges: Exchange[] = [];
  let told = (_: Exchange): void => undefined;
  const onExchange = (exchange: Exchange) => {
    exchanges.push(exchange);
    told(exchange);
  };
  const proxy = await EgressProxy.start({ allow, onExchange, ...options }, dial);
  atEnd(() => proxy.close(0));
  const next = () =>
    new Promise<Exchange>((resolve) => {
      told = resolve;
    });
  return { proxy, exchanges, next };
}

/** Writes `words` to the proxy and returns all that comes back. */
async function say(proxy: EgressProxy, words: string): Promise<string> {
  const socket = connect(Number(new URL(proxy.url).port), '127.0.0.1');
  atEnd(() => socket.destroy());
  socket.write(words);
  return await text(socket);
}

/** Asks for `url` in absolute form. */
async function ask(
  proxy: EgressProxy,
  url: string,
  options: { method?: string; headers?: Record<string, string>; body?: string } = {},
) {
  const { hostname, port } = new URL(proxy.url);
  const { method = 'GET', headers = {}, body } = options;
  const asking: ClientRequest = request({ hostname, port, method, path: url, headers, agent: false }).end(body);
  const [answer] = (await once(asking, 'response')) as [IncomingMessage];
  return { status: answer.statusCode, headers: answer.headers, body: await text(answer) };
}

/** Asks for a tunnel. */
async function tunnelTo(proxy: EgressProxy, authority: string): Promise<{ answer: IncomingMessage; socket: Socket }> {
  const { hostname, port } = new URL(proxy.url);
  const asking = request({ hostname, port, method: 'CONNECT', path: authority, agent: false }).end();
  const [answer, socket, head] = (await once(asking, 'connect')) as [IncomingMessage, Socket, Buffer];
  socket.unshift(head);
  atEnd(() => socket.destroy());
  socket.on('error', () => undefined);
  return { answer, socket };
}

/** Dials loopback for whatever was vetted, and writes that down. */
function dialTo(port: number, dialled: string[] = []): Dial {
  return async ({ hostname }) => {
    dialled.push(hostname);
    const socket = connect(port, '127.0.0.1');
    await once(socket, 'connect');
    return socket;
  };
}

const closed = (socket: Socket) => new Promise<void>((resolve) => socket.once('close', () => resolve()));

describe('absolute-form requests', () => {
  it('go on with method, body and headers, and their response comes back as it is', async () => {
    const site = await serve((request, response) => {
      response.writeHead(418, { 'Content-Encoding': 'odd', 'Set-Cookie': ['a=1', 'b=2'] });
      request.pipe(response);
    });
    const { proxy, next } = await proxyTo([site.port]);
    const ended = next();
    const headers = { 'X-Own': 'yes', Host: 'liar.example' };
    const answer = await ask(proxy, `${site.at}/a?b=c`, { method: 'POST', headers, body: 'words' });
    expect(answer).toMatchObject({ status: 418, body: 'words' });
    expect(answer.headers).toMatchObject({ 'content-encoding': 'odd', 'set-cookie': ['a=1', 'b=2'] });
    expect(site.seen[0]).toMatchObject({ method: 'POST', url: '/a?b=c' });
    expect(site.seen[0]?.headers).toMatchObject({ host: `127.0.0.1:${site.port}`, 'x-own': 'yes' });
    expect(await ended).toMatchObject({ form: 'absolute', outcome: 'done', sentBytes: 5, receivedBytes: 5 });
  });

  it.each([
    ['HEAD', 200],
    ['GET', 304],
    ['GET', 204],
  ])('come back without a body where there is none: %s, %i', async (method, status) => {
    const headers = status === 204 ? {} : { 'content-length': '5000' };
    const site = await serve((_, response) => response.writeHead(status, { etag: '"1"', ...headers }).end());
    const { proxy } = await proxyTo([site.port]);
    const answer = await ask(proxy, site.at, { method });
    expect(answer).toMatchObject({ status, body: '', headers: { etag: '"1"', ...headers } });
  });

  it('leave what is meant for one hop behind, both ways', async () => {
    const site = await serve((_, response) => {
      response.writeHead(200, {
        connection: 'x-hop',
        'x-hop': '1',
        'keep-alive': 'timeout=9',
        'proxy-status': 'forged',
      });
      response.end('x');
    });
    const { proxy } = await proxyTo([site.port]);
    const words = [
      `GET ${site.at}/ HTTP/1.1`,
      'Host: a',
      'Connection: close, X-Secret',
      'X-Secret: 1',
      'Proxy-Authorization: Basic x',
      'Proxy-Connection: keep-alive',
      'TE: trailers',
      'Upgrade: websocket',
    ];
    const answer = await say(proxy, `${words.join('\r\n')}\r\n\r\n`);
    expect(answer).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
    expect(answer).not.toMatch(/x-hop|forged|timeout=9/i);
    const names = Object.keys(site.seen[0]?.headers ?? {});
    expect(names.sort()).toEqual(['connection', 'host']);
  });

  it.each([
    ['origin form', 'GET / HTTP/1.1'],
    ['https', 'GET https://example.com/ HTTP/1.1'],
    ['a method that pages have no use for', 'TRACE http://example.com/ HTTP/1.1'],
    ['a host that is none', 'GET http://exa%20mple/ HTTP/1.1'],
  ])('of %s are answered with what is wanted', async (_, line) => {
    const { proxy } = await proxyTo([]);
    const answer = await say(proxy, `${line}\r\nHost: a\r\n\r\n`);
    expect(answer).toMatch(/^HTTP\/1\.1 400 /);
    expect(answer).toContain('proxy-status: argosy-egress; error=http_request_error');
    expect(answer).toContain('CONNECT host:port for https');
  });

  it('tell nothing of a target that is forbidden, and the whole story to the audit log', async () => {
    const { proxy, exchanges } = await proxyTo([], { resolve: async () => ['10.11.12.13'] });
    const answer = await ask(proxy, 'http://intra.example/');
    expect(answer).toMatchObject({ status: 403, body: 'The egress rules forbid this target.\n' });
    expect(JSON.stringify(answer.headers)).not.toMatch(/intra|10\.11/);
    expect(exchanges).toMatchObject([{ outcome: 'blocked', asked: 'http://intra.example/' }]);
    expect(exchanges[0]?.detail).toContain('10.11.12.13');
  });

  it('end with the client when the server breaks off, instead of passing for whole', async () => {
    const site = await serveRaw((socket) => socket.end('HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nshort'));
    const { proxy, next } = await proxyTo([site.port]);
    const ended = next();
    await expect(ask(proxy, site.at)).rejects.toThrow(/aborted/);
    expect(await ended).toMatchObject({ outcome: 'failed', receivedBytes: 5 });
  });
});

describe('tunnels', () => {
  it('carry bytes both ways, and one side may end before the other', async () => {
    const echo = createTcpServer({ allowHalfOpen: true }, async (socket) => {
      socket.end(`heard ${await text(socket)}`);
    });
    const port = await listening(echo);
    const { proxy, next } = await proxyTo([port]);
    const ended = next();
    const { answer, socket } = await tunnelTo(proxy, `127.0.0.1:${port}`);
    expect(answer.statusCode).toBe(200);
    socket.end('hello');
    expect(await text(socket)).toBe('heard hello');
    expect(await ended).toMatchObject({ form: 'connect', outcome: 'done', sentBytes: 5, receivedBytes: 11 });
  });

  it('deliver what the client sent with its request', async () => {
    const { promise, resolve } = Promise.withResolvers<string>();
    const port = await listening(createTcpServer((socket) => socket.once('data', (bytes) => resolve(String(bytes)))));
    const { proxy } = await proxyTo([port]);
    void say(proxy, `CONNECT 127.0.0.1:${port} HTTP/1.1\r\nHost: a\r\n\r\nearly`).catch(() => undefined);
    expect(await promise).toBe('early');
  });

  it('are opened to the vetted address of the name, which is resolved once', async () => {
    const port = await listening(createTcpServer((socket) => socket.end('hi')));
    const dialled: string[] = [];
    let asked = 0;
    const resolve = async () => [['93.184.216.34'], ['127.0.0.1']][asked++] ?? [];
    const { proxy } = await proxyTo([], { resolve }, dialTo(port, dialled));
    const { socket } = await tunnelTo(proxy, 'rebind.example:443');
    expect(await text(socket)).toBe('hi');
    expect((await tunnelTo(proxy, 'rebind.example:443')).answer.statusCode).toBe(403);
    expect(dialled).toEqual(['93.184.216.34']);
  });

  it.each([
    'example.com:22',
    'example.com:25',
    'example.com:6379',
    'u@example.com:443',
    'example.com',
    ':443',
    'a/b:443',
  ])('to %s are refused', async (authority) => {
    const { proxy, exchanges } = await proxyTo([]);
    const answer = await say(proxy, `CONNECT ${authority} HTTP/1.1\r\nHost: a\r\n\r\n`);
    expect(answer).toMatch(/^HTTP\/1\.1 40[03] /);
    expect(answer).not.toContain('example');
    expect(exchanges.length).toBeLessThan(2);
  });

  it.each([
    ['refuses', 502, 'connection_refused', Object.assign(new Error('connect 10.1.1.1'), { code: 'ECONNREFUSED' })],
    ['is silent', 504, 'connection_timeout', Object.assign(new Error('10.1.1.1'), { code: 'UND_ERR_CONNECT_TIMEOUT' })],
  ])('to a server that %s are answered %i without its address', async (_, status, error, fault) => {
    const dial: Dial = () => Promise.reject(fault);
    const { proxy, exchanges } = await proxyTo([], { resolve: async () => ['93.184.216.34'] }, dial);
    const answer = await say(proxy, 'CONNECT a.example:443 HTTP/1.1\r\nHost: a\r\n\r\n');
    expect(answer).toMatch(new RegExp(`^HTTP/1\\.1 ${status} .*error=${error}`, 's'));
    expect(answer).not.toMatch(/10\.1\.1\.1|93\.184/);
    expect(exchanges).toMatchObject([{ outcome: 'failed', detail: fault.message }]);
  });
});

describe('bounds', () => {
  it('end a tunnel that is silent', async () => {
    const port = await listening(createTcpServer());
    const { proxy, next } = await proxyTo([port], { limits: { idleMs: 50 } });
    const ended = next();
    const { socket } = await tunnelTo(proxy, `127.0.0.1:${port}`);
    await closed(socket.resume());
    expect(await ended).toMatchObject({ outcome: 'idle' });
  });

  it('end a tunnel that has lived too long, though bytes pass', async () => {
    const port = await listening(createTcpServer((socket) => socket.pipe(socket).on('error', () => undefined)));
    const { proxy, next } = await proxyTo([port], { limits: { exchangeMs: 150 } });
    const ended = next();
    const { socket } = await tunnelTo(proxy, `127.0.0.1:${port}`);
    socket.on('data', (bytes) => socket.write(bytes));
    socket.write('ball');
    await closed(socket);
    expect(await ended).toMatchObject({ outcome: 'too long' });
  });

  it('end a tunnel and a response at the byte too many', async () => {
    const endless = (socket: Socket, head: string) => {
      socket.on('error', () => undefined).write(head);
      const more = () => {
        while (!socket.destroyed && socket.write(Buffer.alloc(16 * 1024)));
      };
      socket.on('drain', more);
      more();
    };
    const site = await serveRaw((socket) => endless(socket, 'HTTP/1.1 200 OK\r\n\r\n'));
    const { proxy, next } = await proxyTo([site.port], { limits: { exchangeBytes: 100_000 } });
    const first = next();
    await expect(ask(proxy, site.at)).rejects.toThrow(/aborted/);
    expect(await first).toMatchObject({ outcome: 'too large' });
    const second = next();
    const { socket } = await tunnelTo(proxy, `127.0.0.1:${site.port}`);
    socket.write('x');
    await closed(socket.resume());
    expect(await second).toMatchObject({ outcome: 'too large' });
  });

  it('end a request whose headers are too large, or never come', async () => {
    const { proxy } = await proxyTo([], { limits: { headerBytes: 2_000, headersMs: 100 } });
    const large = await say(proxy, `GET http://a.example/ HTTP/1.1\r\nx: ${'y'.repeat(3_000)}\r\n\r\n`);
    expect(large).toMatch(/^HTTP\/1\.1 431 /);
    expect(await say(proxy, 'GET http://a.example/ HTTP/1.1\r\nx: y')).toMatch(/^HTTP\/1\.1 408 /);
  });

  it('give up a server that sends no header, or headers or informational responses without end', async () => {
    const silent = await serveRaw(() => undefined);
    const wordy = await serveRaw((socket) => socket.write(`HTTP/1.1 200 OK\r\nx: ${'y'.repeat(5_000)}\r\n\r\n`));
    const chatty = await serveRaw((socket) => socket.write('HTTP/1.1 103 Early Hints\r\n\r\n'.repeat(20)));
    const limits = { headersMs: 300, headerBytes: 4_000 };
    const { proxy } = await proxyTo([silent.port, wordy.port, chatty.port], { limits });
    expect(await ask(proxy, silent.at)).toMatchObject({ status: 504 });
    expect((await ask(proxy, wordy.at)).headers['proxy-status']).toMatch(/http_response_header_section_size/);
    expect((await ask(proxy, chatty.at)).headers['proxy-status']).toMatch(/http_protocol_error/);
  });

  it('close one connection too many unanswered, and say so', async () => {
    const port = await listening(createTcpServer());
    const { proxy, next } = await proxyTo([port], { limits: { connections: 1 } });
    await tunnelTo(proxy, `127.0.0.1:${port}`);
    const ended = next();
    await expect(say(proxy, 'x'))
      .resolves.toBe('')
      .catch(() => undefined);
    expect(await ended).toMatchObject({ form: 'none', outcome: 'crowded' });
  });
});

describe('what is left behind', () => {
  it('is nothing when a client goes away in the middle', async () => {
    const gone = Promise.withResolvers<void>();
    const site = await serve((request, response) => {
      request.socket.once('close', () => gone.resolve());
      response.write('half');
    });
    const { proxy, next } = await proxyTo([site.port]);
    const ended = next();
    const { hostname, port } = new URL(proxy.url);
    const asking = request({ hostname, port, path: site.at, agent: false }).end();
    asking.on('error', () => undefined);
    const [answer] = (await once(asking, 'response')) as [IncomingMessage];
    answer.on('error', () => undefined).once('data', () => asking.destroy());
    await gone.promise;
    expect(await ended).toMatchObject({ outcome: 'left' });
  });

  it('is nothing when one end of a tunnel resets', async () => {
    const servers: Socket[] = [];
    const port = await listening(createTcpServer((socket) => servers.push(socket.on('error', () => undefined))));
    const { proxy, next } = await proxyTo([port]);
    for (const reset of ['client', 'server'] as const) {
      const ended = next();
      const { socket } = await tunnelTo(proxy, `127.0.0.1:${port}`);
      socket.write('x');
      const other = servers.at(-1);
      if (other === undefined) throw new Error('the tunnel leads nowhere');
      await once(other, 'data');
      const both = [closed(socket), closed(other)];
      (reset === 'client' ? socket : other).resetAndDestroy();
      socket.resume();
      await Promise.all(both);
      await ended;
    }
  });

  it('is nothing when the proxy closes, which lets go on for a while what is under way', async () => {
    const port = await listening(createTcpServer((socket) => socket.pipe(socket).on('error', () => undefined)));
    const { proxy, exchanges } = await proxyTo([port]);
    const first = await tunnelTo(proxy, `127.0.0.1:${port}`);
    const closing = proxy.close(60_000);
    first.socket.end('last words');
    expect(await text(first.socket)).toBe('last words');
    await closing;
    expect(exchanges).toMatchObject([{ outcome: 'done' }]);
    await proxy.close(0);
  });

  it('is nothing when the proxy closes without patience', async () => {
    const port = await listening(createTcpServer());
    const { proxy, exchanges } = await proxyTo([port]);
    const { socket } = await tunnelTo(proxy, `127.0.0.1:${port}`);
    const dropped = closed(socket.resume());
    await proxy.close(10);
    await dropped;
    expect(exchanges).toMatchObject([{ outcome: 'stopped' }]);
  });
});

describe('a start', () => {
  it('names the port that is taken', async () => {
    const port = await listening(createTcpServer());
    await expect(EgressProxy.start({ port })).rejects.toThrow(InvalidInput);
    await expect(EgressProxy.start({ port })).rejects.toThrow(`port ${port} on 127.0.0.1 cannot be used`);
  });

  it('says where it listens, on IPv6 too', async () => {
    const { proxy } = await proxyTo([], { host: '::1' });
    expect(proxy.url).toMatch(/^http:\/\/\[::1\]:\d+$/);
  });
});
