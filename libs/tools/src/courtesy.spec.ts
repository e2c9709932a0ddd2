import { describe, expect, it } from '@jest/globals';
import { EgressFault, type EgressRequest, type EgressResponse } from '#egress';
import { Courtesy } from './courtesy.ts';
import { MemoryEvidence, OpenPace } from './testing/commons.contract.ts';

type Reply = { status: number; headers?: Record<string, string>; body?: string } | Error;

/** A site of few pages; what is not there is a 404. */
function site(pages: Readonly<Record<string, Reply>>, unhurried = false) {
  const asked: string[] = [];
  const pace = new OpenPace();
  const evidence = new MemoryEvidence();
  const egress = {
    async fetch(url: string): Promise<EgressResponse> {
      asked.push(new URL(url).pathname);
      const reply = pages[new URL(url).pathname] ?? { status: 404 };
      if (reply instanceof Error) throw reply;
      const { status, headers = {}, body = '' } = reply;
      return { url, status, headers, contentType: 'text/plain', body: Buffer.from(body) };
    },
  };
  const courtesy = new Courtesy({ egress, pace, evidence, product: 'Argosy', unhurried: () => unhurried });
  const asking = { accept: '*/*', now: 0, signal: new AbortController().signal };
  const ask = (path: string) => courtesy.fetch(new URL(path, 'https://a.example'), asking);
  return { ask, asked, pace, evidence };
}

const ok = { status: 200, body: 'page' };

describe('Courtesy', () => {
  it('waits for a turn at the host that a redirect leads to, and keeps to its robots.txt', async () => {
    const pace = new OpenPace();
    const asked: string[] = [];
    const egress = {
      async fetch(url: string, { onRedirect }: EgressRequest): Promise<EgressResponse> {
        asked.push(url);
        const { pathname } = new URL(url);
        if (pathname === '/a') await onRedirect?.(new URL('https://b.example/yes'));
        if (pathname === '/b') await onRedirect?.(new URL('https://b.example/no'));
        const body = Buffer.from('User-agent: *\nDisallow: /no');
        return { url, status: 200, headers: {}, contentType: 'text/plain', body };
      },
    };
    const parts = { egress, pace, evidence: new MemoryEvidence(), product: 'Argosy', unhurried: () => false };
    const courtesy = new Courtesy(parts);
    const ask = (path: string) =>
      courtesy.fetch(new URL(path, 'https://a.example'), {
        accept: '*/*',
        now: 0,
        signal: new AbortController().signal,
      });
    expect(await ask('/a')).toMatchObject({ status: 200 });
    expect(pace.turns.map(({ key }) => key)).toEqual([
      ...['host:a.example', 'host:a.example'],
      ...['host:b.example', 'host:b.example'],
    ]);
    expect(await ask('/b')).toMatchObject({ kind: 'blocked', message: expect.stringContaining('b.example') });
    expect(asked).toHaveLength(4);
  });

  it('asks for robots.txt once and then for the pages that it allows', async () => {
    const { ask, asked, evidence } = site({
      '/robots.txt': { status: 200, body: 'User-agent: *\nDisallow: /no' },
      '/a': ok,
    });
    expect(await ask('/a')).toMatchObject({ status: 200 });
    expect(await ask('/no?x')).toMatchObject({
      kind: 'blocked',
      message: expect.stringContaining('robots.txt of a.example'),
    });
    expect(asked).toEqual(['/robots.txt', '/a']);
    expect([...evidence.entries.values()]).toMatchObject([{ keepMs: 24 * 3_600_000 }]);
  });

  it.each([401, 403, 404, 410])('takes a robots.txt that is a %i for none', async (status) => {
    const { ask } = site({ '/robots.txt': { status }, '/a': ok });
    expect(await ask('/a')).toMatchObject({ status: 200 });
  });

  it.each([429, 500, 503])('takes a site for closed whose robots.txt is a %i, and asks again soon', async (status) => {
    const { ask, asked, evidence } = site({ '/robots.txt': { status }, '/a': ok });
    expect(await ask('/a')).toMatchObject({ kind: 'transient', message: expect.stringContaining(String(status)) });
    expect(asked).toEqual(['/robots.txt']);
    expect([...evidence.entries.values()]).toMatchObject([{ keepMs: 60_000 }]);
  });

  it('reads 500 KiB of a robots.txt and no more', async () => {
    const body = `User-agent: *\n${'#'.repeat(500 * 1024)}\nDisallow: /a`;
    const { ask } = site({ '/robots.txt': { status: 200, body }, '/a': ok });
    expect(await ask('/a')).toMatchObject({ status: 200 });
  });

  it('asks each host once per second, two at a time, slower where robots.txt says so, within bounds', async () => {
    const { ask, pace } = site({ '/robots.txt': { status: 200, body: 'User-agent: *\nCrawl-delay: 4' }, '/a': ok });
    await ask('/a');
    expect(pace.turns).toMatchObject([
      { key: 'host:a.example', rule: { perSecond: 1, parallel: 2 } },
      { key: 'host:a.example', rule: { perSecond: 0.25, parallel: 2 } },
    ]);
    expect(pace.open).toBe(0);
    const slow = site({ '/robots.txt': { status: 200, body: 'User-agent: *\nCrawl-delay: 86400' }, '/a': ok });
    await slow.ask('/a');
    expect(slow.pace.turns[1]?.rule.perSecond).toBe(0.1);
  });

  it('does not slow down for the operator`s own hosts, but keeps to their robots.txt', async () => {
    const { ask, pace } = site(
      { '/robots.txt': { status: 200, body: 'User-agent: *\nDisallow: /no' }, '/a': ok },
      true,
    );
    await ask('/a');
    expect(await ask('/no')).toMatchObject({ kind: 'blocked' });
    expect(pace.turns).toEqual([]);
  });

  it.each([
    ['a Retry-After in seconds', { status: 429, headers: { 'retry-after': '7' } }, 7_000],
    [
      'a Retry-After that is a date',
      { status: 503, headers: { 'retry-after': 'Thu, 01 Jan 1970 00:02:00 GMT' } },
      120_000,
    ],
    ['a 429 without one', { status: 429 }, 30_000],
    ['a Retry-After of a year', { status: 429, headers: { 'retry-after': '31536000' } }, 3_600_000],
  ])('gives a host the break that it asks for: %s', async (_, reply, ms) => {
    const { ask, pace } = site({ '/a': reply });
    await ask('/a');
    expect(pace.rests.get('host:a.example')).toBe(ms);
    expect(await ask('/a')).toMatchObject({
      kind: 'quota',
      retryAfterMs: ms,
      message: expect.stringContaining('a.example'),
    });
  });

  it('leaves a host alone that failed three times in a row, longer each time', async () => {
    const { ask, pace } = site({
      '/down': { status: 502 },
      '/lost': new EgressFault('transient', 'broke off'),
      '/a': ok,
    });
    await ask('/down');
    await expect(ask('/lost')).rejects.toThrow('broke off');
    expect(pace.rests.size).toBe(0);
    await ask('/down');
    expect(pace.rests.get('host:a.example')).toBe(30_000);
    pace.rests.clear();
    await ask('/down');
    expect(pace.rests.get('host:a.example')).toBe(60_000);
    pace.rests.clear();
    await ask('/a');
    await ask('/down');
    expect(pace.rests.size).toBe(0);
  });

  it('counts no failure against a host for what is wrong with one address', async () => {
    const { ask, pace } = site({ '/odd': new EgressFault('invalid', 'bad header') });
    for (let n = 0; n < 4; n++) await expect(ask('/odd')).rejects.toThrow('bad header');
    expect(pace.rests.size).toBe(0);
    expect(pace.open).toBe(0);
  });
});
