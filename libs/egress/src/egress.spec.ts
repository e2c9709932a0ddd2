import { once } from 'node:events';
import { connect, createServer as createTcpServer } from 'node:net';
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from '@jest/globals';
import { Aborted, InvalidInput, InvalidState } from '#errors';
import { atEnd, listening, serve, serveRaw } from '../../../test/support/web-servers.ts';
import type { Dial } from './connector.ts';
import { Egress, type EgressOptions, type EgressRequest } from './egress.ts';
import { EgressBlocked, EgressFault } from './faults.ts';

/** Opens the given loopback ports and nothing else. */
function egressTo(ports: readonly number[], options: Partial<EgressOptions> = {}, dial?: Dial): Egress {
  const allow = ports.map((port) => ({ host: '127.0.0.1', port }));
  const egress = new Egress({ userAgent: 'argosy-test (+mailto:ops@example.org)', allow, ...options }, dial);
  atEnd(() => egress.close());
  return egress;
}

function get(egress: Egress, url: string, request: Partial<EgressRequest> = {}) {
  return egress.fetch(url, { signal: new AbortController().signal, ...request });
}

describe('a fetch', () => {
  it('returns body, status, headers and canonical URL, and says who asks', async () => {
    const site = await serve((_, response) => {
      response.setHeader('Content-Type', 'text/html; charset=utf-8');
      response.setHeader('Set-Cookie', ['a=1', 'b=2']);
      response.setHeader('Content-Encoding', 'gzip');
      response.end(gzipSync('<p>hello</p>'));
    });
    const answer = await get(egressTo([site.port]), `${site.at}/a?b=c#d`, { accept: 'text/html' });
    expect(answer).toMatchObject({ url: `${site.at}/a?b=c`, status: 200, contentType: 'text/html; charset=utf-8' });
    expect(Buffer.from(answer.body).toString()).toBe('<p>hello</p>');
    expect(answer.headers['set-cookie']).toBe('a=1, b=2');
    expect(answer.headers).not.toHaveProperty('content-encoding');
    expect(site.seen[0]?.headers).toMatchObject({
      host: `127.0.0.1:${site.port}`,
      accept: 'text/html',
      'user-agent': 'argosy-test (+mailto:ops@example.org)',
      'accept-encoding': 'gzip, deflate, br, zstd',
    });
  });

  it.each([204, 304, 404, 429, 500])('returns status %i instead of throwing it', async (status) => {
    const site = await serve((_, response) => response.writeHead(status, { 'retry-after': '7' }).end());
    expect(await get(egressTo([site.port]), site.at)).toMatchObject({ status, headers: { 'retry-after': '7' } });
  });

  it('sends method, body and own headers', async () => {
    const site = await serve((request, response) => request.pipe(response));
    const request = { method: 'POST', body: '{"q":1}', headers: { 'X-Api-Key': 'k' } } as const;
    const answer = await get(egressTo([site.port]), site.at, request);
    expect(Buffer.from(answer.body).toString()).toBe('{"q":1}');
    expect(site.seen[0]).toMatchObject({ method: 'POST', headers: { 'x-api-key': 'k' } });
  });

  it('takes the length that a HEAD announces for what it is: of a body that does not come', async () => {
    const site = await serve((_, response) => response.writeHead(200, { 'content-length': '99999999' }).end());
    expect((await get(egressTo([site.port]), site.at, { method: 'HEAD' })).body.length).toBe(0);
  });

  it('refuses a Host header from the caller', async () => {
    await expect(get(egressTo([]), 'http://a.example/', { headers: { Host: 'b' } })).rejects.toThrow(InvalidInput);
  });

  it('is refused once the egress is closed', async () => {
    const egress = egressTo([]);
    await egress.close();
    await expect(get(egress, 'http://a.example/')).rejects.toThrow(InvalidState);
  });
});

describe('private targets', () => {
  it('are not reached by any spelling while only the exact one is allowed', async () => {
    const site = await serve((_, response) => response.end('secret'));
    const egress = new Egress({ userAgent: 'test', ports: [site.port] });
    atEnd(() => egress.close());
    for (const host of ['127.0.0.1', '0x7f.1', '2130706433', 'localhost', '[::1]', '[::ffff:127.0.0.1]', '0.0.0.0']) {
      await expect(get(egress, `http://${host}:${site.port}/`)).rejects.toThrow(EgressBlocked);
    }
    expect(site.seen).toEqual([]);
  });

  it('are not reached by a name that is rebound between two fetches', async () => {
    const open = await serve((_, response) => response.setHeader('connection', 'close').end('public'));
    const victim = await serve((_, response) => response.end('secret'));
    const answers = [['93.184.216.34'], ['127.0.0.1']];
    let asked = 0;
    const dialled: string[] = [];
    const dial: Dial = async (target) => {
      dialled.push(target.hostname);
      // The public address is played by `open`; loopback would be the victim.
      const socket = connect(target.hostname === '93.184.216.34' ? open.port : victim.port, '127.0.0.1');
      await once(socket, 'connect');
      return socket;
    };
    const egress = egressTo([], { resolve: async () => answers[asked++] ?? [] }, dial);
    expect(Buffer.from((await get(egress, 'http://rebind.example/')).body).toString()).toBe('public');
    expect(asked).toBe(1);
    expect(open.seen[0]?.headers.host).toBe('rebind.example');
    await expect(get(egress, 'http://rebind.example/')).rejects.toThrow(EgressBlocked);
    expect(dialled).toEqual(['93.184.216.34']);
    expect(victim.seen).toEqual([]);
  });

  it('are not reached by a redirect at the third hop', async () => {
    const victim = await serve((_, response) => response.end('secret'));
    const site = await serve((request, response) => {
      const next = { '/1': '/2', '/2': '/3', '/3': `http://127.0.0.1:${victim.port}/` }[request.url ?? ''];
      response.writeHead(302, { location: next }).end('moved');
    });
    const egress = egressTo([site.port], { ports: [victim.port] });
    const fault = await get(egress, `${site.at}/1`).catch((error: unknown) => error);
    expect(fault).toBeInstanceOf(EgressBlocked);
    expect(site.seen.map((request) => request.url)).toEqual(['/1', '/2', '/3']);
    expect(victim.seen).toEqual([]);
  });
});

describe('redirects', () => {
  it('are followed five times, and the answer carries the last URL', async () => {
    const site = await serve((request, response) => {
      const hop = Number(request.url?.slice(1));
      if (hop < 5) response.writeHead(301, { location: `/${hop + 1}` }).end();
      else response.end('there');
    });
    expect(await get(egressTo([site.port]), `${site.at}/0`)).toMatchObject({ url: `${site.at}/5`, status: 200 });
  });

  it('end with a fault at the sixth', async () => {
    const site = await serve((_, response) => response.writeHead(302, { location: '/' }).end());
    const fetching = get(egressTo([site.port]), site.at);
    await expect(fetching).rejects.toMatchObject({ name: 'EgressFault', kind: 'invalid' });
    expect(site.seen.length).toBe(6);
  });

  it('take no credentials to another origin', async () => {
    const other = await serve((_, response) => response.end());
    const site = await serve((_, response) => response.writeHead(307, { location: `${other.at}/` }).end());
    const headers = { Authorization: 'Bearer t', Cookie: 'a=b', 'X-Api-Key': 'k' };
    await get(egressTo([site.port, other.port]), site.at, { headers });
    expect(site.seen[0]?.headers).toMatchObject({ authorization: 'Bearer t', cookie: 'a=b', 'x-api-key': 'k' });
    for (const name of ['authorization', 'cookie', 'x-api-key'])
      expect(other.seen[0]?.headers).not.toHaveProperty(name);
  });

  it('without a location are answers like any other', async () => {
    const site = await serve((_, response) => response.writeHead(302).end('nowhere'));
    expect(await get(egressTo([site.port]), site.at)).toMatchObject({ status: 302 });
  });
});

describe('hostile servers', () => {
  const fast = { connectMs: 1_000, totalMs: 5_000 };

  it('cannot blow up a small gzip body', async () => {
    const site = await serve((_, response) => {
      response.setHeader('content-encoding', 'gzip');
      response.end(gzipSync(new Uint8Array(64 * 1024 * 1024)));
    });
    await expect(get(egressTo([site.port]), site.at)).rejects.toMatchObject({ name: 'EgressFault', kind: 'invalid' });
  });

  it('cannot send without end', async () => {
    const site = await serve((request, response) => {
      const more = () => {
        while (!request.socket.destroyed && response.write(Buffer.alloc(64 * 1024)));
      };
      response.on('drain', more);
      more();
    });
    await expect(get(egressTo([site.port]), site.at)).rejects.toMatchObject({ kind: 'invalid' });
  });

  it('cannot hold a fetch by a body that trickles', async () => {
    const site = await serve((_, response) => response.write('one byte, then silence'));
    const limits = { ...fast, throughputWindowMs: 50 };
    await expect(get(egressTo([site.port], { limits }), site.at)).rejects.toThrow(/slower than 256 bytes/);
  });

  it('cannot hold a fetch beyond its total time', async () => {
    const site = await serve((_, response) => response.write('one byte, then silence'));
    const limits = { totalMs: 100 };
    const fetching = get(egressTo([site.port], { limits }), site.at);
    await expect(fetching).rejects.toThrow(/no complete answer within 100 ms/);
    await expect(fetching).rejects.toMatchObject({ name: 'EgressFault', kind: 'transient', retryable: true });
  });

  it('cannot hold a fetch by never sending a header', async () => {
    const site = await serveRaw(() => undefined);
    const limits = { ...fast, headersMs: 100 };
    const fetching = get(egressTo([site.port], { limits }), site.at);
    await expect(fetching).rejects.toThrow(/no complete response header in time/);
  });

  it('cannot send headers without end', async () => {
    const site = await serveRaw((socket) => {
      socket.write('HTTP/1.1 200 OK\r\n');
      const line = `x-filler: ${'y'.repeat(1_000)}\r\n`;
      const more = () => {
        while (!socket.destroyed && socket.write(line));
      };
      socket.on('drain', more);
      more();
    });
    const fetching = get(egressTo([site.port], { limits: fast }), site.at);
    await expect(fetching).rejects.toThrow(/headers over the size limit/);
  });

  it('cannot send one header line without end', async () => {
    const site = await serveRaw((socket) => {
      socket.write('HTTP/1.1 200 OK\r\nx-filler: ');
      const more = () => {
        while (!socket.destroyed && socket.write('y'.repeat(4_000)));
      };
      socket.on('drain', more);
      more();
    });
    const fetching = get(egressTo([site.port], { limits: fast }), site.at);
    await expect(fetching).rejects.toThrow(/headers over the size limit/);
  });

  it('cannot send informational responses without end', async () => {
    const site = await serveRaw((socket) => {
      const more = () => {
        while (!socket.destroyed && socket.write('HTTP/1.1 103 Early Hints\r\n\r\n'));
      };
      socket.on('drain', more);
      more();
    });
    const fetching = get(egressTo([site.port], { limits: fast }), site.at);
    await expect(fetching).rejects.toThrow(/informational/);
  });

  it.each([
    ['closes at once', '', 'transient'],
    ['cuts its body short', 'HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nshort', 'transient'],
    ['speaks something else', 'SSH-2.0-OpenSSH_9.6\r\n', 'invalid'],
    ['sends a bad encoding', 'HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\nconnection: close\r\n\r\nplain', 'invalid'],
    ['invents an encoding', 'HTTP/1.1 200 OK\r\ncontent-encoding: rot13\r\nconnection: close\r\n\r\nx', 'invalid'],
  ])('give a typed fault when one %s', async (_, words, kind) => {
    const site = await serveRaw((socket) => socket.end(words));
    const fault = await get(egressTo([site.port], { limits: fast }), site.at).catch((error: unknown) => error);
    expect(fault).toBeInstanceOf(EgressFault);
    expect(fault).toMatchObject({ kind });
  });

  it('give a transient fault without an address when nobody listens', async () => {
    const closed = createTcpServer();
    const port = await listening(closed);
    closed.close();
    const egress = egressTo([], { allow: [{ host: 'down.internal', port }], resolve: async () => ['127.0.0.1'] });
    const fault = await get(egress, `http://down.internal:${port}/`).catch((error: unknown) => error);
    expect(fault).toMatchObject({ kind: 'transient', message: 'down.internal refused the connection (ECONNREFUSED)' });
  });
});

describe('the caller’s signal', () => {
  it('stops a fetch before it begins', async () => {
    const site = await serve((_, response) => response.end());
    const signal = AbortSignal.abort(new Error('run cancelled'));
    await expect(get(egressTo([site.port]), site.at, { signal })).rejects.toThrow(/run cancelled/);
    expect(site.seen).toEqual([]);
  });

  it('stops a fetch that waits for DNS', async () => {
    const stop = new AbortController();
    const resolve = () => {
      stop.abort();
      return new Promise<never>(() => undefined);
    };
    const limits = { connectMs: 200 };
    const fetching = get(egressTo([], { resolve, limits }), 'http://a.example/', { signal: stop.signal });
    await expect(fetching).rejects.toThrow(Aborted);
  });

  it('stops a fetch in the middle of its body and drops the connection', async () => {
    const stop = new AbortController();
    let dropped: Promise<unknown> = Promise.resolve();
    const site = await serve((request, response) => {
      // Not events.once: a reset is a drop too, not a failure.
      dropped = new Promise((resolve) => request.socket.on('close', resolve));
      response.write('half', () => stop.abort());
    });
    await expect(get(egressTo([site.port]), site.at, { signal: stop.signal })).rejects.toThrow(Aborted);
    await dropped;
  });
});
