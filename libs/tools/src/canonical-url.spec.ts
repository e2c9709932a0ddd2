import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { canonicalUrl } from './canonical-url.ts';

describe('canonicalUrl', () => {
  it.each([
    ['HTTPS://Docs.Example.ORG.:443/a', 'https://docs.example.org/a'],
    ['http://example.org:80', 'http://example.org/'],
    ['http://example.org:8080/a#part', 'http://example.org:8080/a'],
    ['https://example.org/a/index.html?utm_source=x&UTM_medium=y', 'https://example.org/a/'],
    ['https://example.org/index.htm', 'https://example.org/'],
    ['https://example.org/my-index.html', 'https://example.org/my-index.html'],
    ['https://example.org/?b=2&a=1&gclid=zzz', 'https://example.org/?a=1&b=2'],
    ['https://example.org/?', 'https://example.org/'],
    ['https://example.org/??', 'https://example.org/??'],
    ['https://example.org/%7euser/%e2%82%ac', 'https://example.org/~user/%E2%82%AC'],
    ['  https://münchen.example/straße ', 'https://xn--mnchen-3ya.example/stra%C3%9Fe'],
    ['https://example.org/a/../b/./c', 'https://example.org/b/c'],
  ])('writes %s as %s', (address, canonical) => {
    expect(canonicalUrl(address)).toBe(canonical);
  });

  it('keeps the order of parameters that may count by their place', () => {
    for (const kept of ['https://a.example/?z=1&a=2&a=1', 'https://a.example/?z&a=1', 'https://a.example/?b[]=1&a=2']) {
      expect(canonicalUrl(kept)).toBe(kept);
    }
  });

  it('keeps pages apart that only look alike', () => {
    const pages = ['https://a.example/x', 'https://a.example/X', 'https://a.example/x/', 'https://www.a.example/x'];
    expect(new Set(pages.map(canonicalUrl)).size).toBe(pages.length);
  });

  it.each([
    '',
    'example.org/a',
    'ftp://example.org/',
    'javascript:alert(1)',
    'https://',
    'https://user:pw@example.org/',
  ])('takes %j for no page', (address) => {
    expect(canonicalUrl(address)).toBeNull();
  });

  it('gives of any web address one that is its own canonical form', () => {
    fc.assert(
      fc.property(fc.webUrl({ withQueryParameters: true, withFragments: true }), (address) => {
        const canonical = canonicalUrl(address);
        expect(canonical === null ? null : canonicalUrl(canonical)).toBe(canonical);
      }),
    );
  });
});
