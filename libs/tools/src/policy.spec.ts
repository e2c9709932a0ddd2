import { describe, expect, it } from '@jest/globals';
import type { SourcePolicy } from '#domain';
import { pageFault, redirectFault, strangeFault } from './policy.ts';

const open: SourcePolicy = { corpora: [], web: true, urls: [], providers: [], allowDomains: [], denyDomains: [] };
const blocks = (url: string, policy: Partial<SourcePolicy>) => pageFault(new URL(url), { ...open, ...policy })?.kind;

describe('pageFault', () => {
  it('allows only named pages while the web is off', () => {
    const policy = { web: false, urls: ['https://a.example/x'] };
    expect(blocks('https://a.example/x#part', policy)).toBeUndefined();
    expect(blocks('https://a.example/y', policy)).toBe('blocked');
  });

  it('holds a domain for itself and its subdomains, and for no other that ends alike', () => {
    const policy = { allowDomains: ['example.org'] };
    expect(blocks('https://docs.EXAMPLE.org./x', policy)).toBeUndefined();
    expect(blocks('https://badexample.org/', policy)).toBe('blocked');
  });

  it('knows a domain that is written in letters beyond ASCII', () => {
    expect(blocks('https://www.münchen.example/', { denyDomains: ['münchen.example'] })).toBe('blocked');
    expect(blocks('https://xn--mnchen-3ya.example/', { allowDomains: ['*.MÜNCHEN.example'] })).toBeUndefined();
  });

  it('lets deny win over allow, and a named page over both', () => {
    const policy = { allowDomains: ['example.org'], denyDomains: ['ads.example.org'] };
    expect(blocks('https://ads.example.org/', policy)).toBe('blocked');
    expect(blocks('https://ads.example.org/', { ...policy, urls: ['https://ads.example.org/'] })).toBeUndefined();
  });
});

describe('redirectFault', () => {
  const moved = (from: string, to: string, policy: Partial<SourcePolicy>) =>
    redirectFault(new URL(from), new URL(to), { ...open, ...policy })?.kind;

  it('lets a named page move within its site while the web is off, but not to another', () => {
    const policy = { web: false, urls: ['https://example.org/'] };
    expect(moved('https://example.org/', 'https://www.example.org/', policy)).toBeUndefined();
    expect(moved('https://example.org/', 'https://elsewhere.example/', policy)).toBe('blocked');
  });

  it('blocks a redirect out of the allowed domains', () => {
    expect(moved('https://a.example/', 'https://b.example/', { allowDomains: ['a.example'] })).toBe('blocked');
  });
});

describe('strangeFault', () => {
  const url = new URL('https://a.example/x');
  const strange = (policy: Partial<SourcePolicy>, opens: readonly string[] | null) =>
    strangeFault(url, { ...open, ...policy }, opens)?.kind;

  it('closes a run with documents to addresses that it neither was given nor found, and to all where nobody has said', () => {
    expect(strange({ corpora: ['c'] }, ['https://a.example/y', 'nothing'])).toBe('blocked');
    expect(strange({ corpora: ['c'] }, [])).toBe('blocked');
    expect(strange({ corpora: ['c'] }, null)).toBe('blocked');
  });

  it('opens those that it found, those that its user named, and any to a run without documents', () => {
    expect(strange({ corpora: ['c'] }, ['https://a.example/x#part'])).toBeUndefined();
    expect(strange({ corpora: ['c'], urls: ['https://a.example/x'] }, null)).toBeUndefined();
    expect(strange({}, null)).toBeUndefined();
  });
});
