import { gzipSync } from 'node:zlib';
import { describe, expect, it } from '@jest/globals';
import { Aborted, InvalidInput, InvalidState } from '#errors';
import { atEnd, serve } from '../../../test/support/web-servers.ts';
import type { Dial } from './connector.ts';
import { Egress, type EgressOptions, type EgressRequest } from './egress.ts';

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

describe('redirects', () => {
  it('are told to the caller before they are followed, who may end the fetch there', async () => {
    const site = await serve((request, response) => {
      if (request.url === '/end') response.end('end');
      else response.writeHead(302, { location: request.url === '/a' ? '/b' : '/end' }).end();
    });
    const told: string[] = [];
    const egress = egressTo([site.port]);
    const onRedirect = async ({ pathname }: URL) => void told.push(`${pathname} after ${site.seen.length}`);
    expect(await get(egress, `${site.at}/a`, { onRedirect })).toMatchObject({ status: 200 });
    expect(told).toEqual(['/b after 1', '/end after 2']);
    const refuse = async () => {
      throw new InvalidState('not there');
    };
    await expect(get(egress, `${site.at}/a`, { onRedirect: refuse })).rejects.toThrow('not there');
    expect(site.seen).toHaveLength(4);
  });

  it('are followed five times, and the answer carries the last URL', async () => {
    const site = await serve((request, response) => {
      const hop = Number(request.url?.slice(1));
      if (hop < 5) response.writeHead(301, { location: `/${hop + 1}` }).end();
      else response.end('there');
    });
    expect(await get(egressTo([site.port]), `${site.at}/0`)).toMatchObject({ url: `${site.at}/5`, status: 200 });
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
