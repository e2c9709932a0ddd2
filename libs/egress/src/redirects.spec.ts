import { describe, expect, it } from '@jest/globals';
import { InvalidInput } from '#errors';
import { EgressBlocked } from './faults.ts';
import { compilePolicy, vetUrl } from './policy.ts';
import { type Hop, type Method, nextHop, ownHeaders } from './redirects.ts';

const allow = [{ host: 'search.internal', port: 8080 }];
const policy = compilePolicy({ allow, deny: [], ports: [80, 443] });
const secrets = { authorization: 'Bearer t', cookie: 'a=b', 'x-api-key': 'k', accept: 'text/html' };

function hop(url: string, method: Method = 'GET', body: string | null = null): Hop {
  return { target: vetUrl(url, policy), method, headers: { ...secrets, 'content-type': 'text/plain' }, body };
}

describe('nextHop', () => {
  it('keeps every header within the origin', () => {
    const next = nextHop(hop('https://a.example/x/'), 302, '../y', policy);
    expect(next.target.url.href).toBe('https://a.example/y');
    expect(next.headers).toMatchObject(secrets);
  });

  it.each(['https://b.example/', 'https://sub.a.example/', '//b.example/x'])(
    'drops credentials and unknown headers on the way to %s',
    (location) => {
      expect(nextHop(hop('https://a.example/'), 307, location, policy).headers).toEqual({ accept: 'text/html' });
    },
  );

  it('drops them on an upgrade to https too, which is another origin', () => {
    expect(nextHop(hop('http://a.example/'), 301, 'https://a.example/', policy).headers).toEqual({
      accept: 'text/html',
    });
  });

  it.each([
    ['http after https', 'https://a.example/', 'http://a.example/'],
    ['user info', 'https://a.example/', 'https://u:p@a.example/'],
    ['another scheme', 'https://a.example/', 'file:///etc/passwd'],
    ['another port', 'https://a.example/', 'https://a.example:8443/'],
    ['an internal target named for us, not for pages', 'http://a.example/', 'http://search.internal:8080/'],
  ])('refuses %s', (_, from, location) => {
    expect(() => nextHop(hop(from), 302, location, policy)).toThrow(EgressBlocked);
  });

  it('lets an internal target redirect within itself', () => {
    const next = nextHop(hop('http://search.internal:8080/a'), 302, '/b', policy);
    expect(next.target.exempt).toBe(true);
  });

  it.each([
    [301, 'POST', 'GET'],
    [302, 'POST', 'GET'],
    [303, 'PUT', 'GET'],
    [303, 'HEAD', 'HEAD'],
    [302, 'HEAD', 'HEAD'],
    [307, 'POST', 'POST'],
    [308, 'PUT', 'PUT'],
  ] as const)('%i turns %s into %s', (status, before, after) => {
    const next = nextHop(hop('https://a.example/', before, before === 'HEAD' ? null : 'data'), status, '/n', policy);
    expect(next.method).toBe(after);
    expect(next.body).toBe(after === before && before !== 'HEAD' ? 'data' : null);
    expect('content-type' in next.headers).toBe(after === before);
  });

  it('does not carry a request body to another origin', () => {
    expect(() => nextHop(hop('https://a.example/', 'POST', 'data'), 307, 'https://b.example/', policy)).toThrow(
      EgressBlocked,
    );
    expect(nextHop(hop('https://a.example/', 'POST', 'data'), 302, 'https://b.example/', policy).body).toBeNull();
  });
});

describe('ownHeaders', () => {
  it('lowers names', () => {
    expect(ownHeaders({ 'X-Api-Key': 'k' })).toEqual({ 'x-api-key': 'k' });
  });

  it.each(['Host', 'Content-Length', 'Transfer-Encoding', 'Connection', 'Accept-Encoding', 'User-Agent'])(
    'refuses %s',
    (name) => {
      expect(() => ownHeaders({ [name]: 'x' })).toThrow(InvalidInput);
    },
  );
});
