import { describe, expect, it } from '@jest/globals';
import { InvalidInput } from '#errors';
import { readConfig } from '#platform';
import {
  embeddedProviders,
  isScholarly,
  parseOwnKeys,
  parseProviders,
  searchProviders,
  secretNames,
} from './chosen.ts';

const problems = (read: () => unknown): string[] => {
  try {
    read();
    return [];
  } catch (error) {
    if (error instanceof InvalidInput) return error.problems.map(({ path, message }) => `${path}: ${message}`);
    throw error;
  }
};
const chosen = (env: Record<string, string>) => searchProviders(readConfig(env));

describe('the search providers of a process', () => {
  it('are none unless some are named, and come in the order of the setting', () => {
    expect(chosen({})).toEqual([]);
    expect(chosen({ ARGOSY_SEARCH_PROVIDERS: 'none' })).toEqual([]);
    const names = chosen({ ARGOSY_SEARCH_PROVIDERS: ' arxiv, searxng=https://s.example/x ,mediawiki' }).map(
      ({ name }) => name,
    );
    expect(names).toEqual(['arxiv', 'searxng', 'mediawiki']);
  });

  it('are, for a process of its own, those with a key and those that need none', () => {
    expect(embeddedProviders(readConfig({}))).toBe('mediawiki,openalex,crossref,arxiv');
    const keyed = readConfig({ ARGOSY_EXA_API_KEY: 'k' });
    expect(embeddedProviders(keyed)).toBe('exa,mediawiki,openalex,crossref,arxiv');
    expect(searchProviders({ ...keyed, ARGOSY_SEARCH_PROVIDERS: embeddedProviders(keyed) })).toHaveLength(5);
  });

  it('are at their own hosts unless an address is given', () => {
    const hosts = (setting: string) =>
      chosen({ ARGOSY_SEARCH_PROVIDERS: setting }).flatMap((provider) => provider.hosts);
    expect(hosts('mediawiki,openalex,crossref,arxiv')).toEqual([
      ...['*.wikipedia.org', 'api.openalex.org', 'api.crossref.org', 'export.arxiv.org'],
    ]);
    expect(hosts('mediawiki=http://127.0.0.1:81/w/api.php,searxng=http://s.example:8080')).toEqual([
      '127.0.0.1:81',
      's.example:8080',
    ]);
  });

  it('that are named without their key stop the process', () => {
    expect(problems(() => chosen({ ARGOSY_SEARCH_PROVIDERS: 'brave,exa' }))).toEqual([
      'ARGOSY_BRAVE_API_KEY: is required, because ARGOSY_SEARCH_PROVIDERS names brave and ARGOSY_OWN_KEYS does not',
      'ARGOSY_EXA_API_KEY: is required, because ARGOSY_SEARCH_PROVIDERS names exa and ARGOSY_OWN_KEYS does not',
    ]);
  });

  it('are slower to the free allowance, and to the public pool', () => {
    const rule = (env: Record<string, string>, name: string) =>
      chosen({ ...env, ARGOSY_SEARCH_PROVIDERS: name })[0]?.rule;
    expect(rule({}, 'openalex')?.perDay).toBe(100);
    expect(rule({ ARGOSY_OPENALEX_API_KEY: 'k' }, 'openalex')?.perDay).toBe(1_000);
    expect(rule({ ARGOSY_CONTACT: 'https://example.org/me' }, 'crossref')?.parallel).toBe(1);
    expect(rule({ ARGOSY_CONTACT: 'a@example.org' }, 'crossref')?.parallel).toBe(3);
  });
});

describe('keys of tenants', () => {
  it('are for the providers that take one, by their secrets’ names', () => {
    expect(secretNames).toEqual(['search.brave', 'search.tavily', 'search.serper', 'search.exa', 'search.openalex']);
    const all = 'searxng=http://s.example,brave,tavily,serper,exa,mediawiki,openalex,crossref,arxiv';
    const providers = chosen({ ARGOSY_SEARCH_PROVIDERS: all, ARGOSY_OWN_KEYS: 'brave,tavily,serper,exa' });
    expect(providers.flatMap(({ own }) => own?.secret ?? [])).toEqual(secretNames);
    for (const { name, own } of providers) expect([name, own?.with('k').name ?? name]).toEqual([name, name]);
  });

  it('are enough for a process of its own to ask a provider', () => {
    expect(embeddedProviders(readConfig({ ARGOSY_OWN_KEYS: 'exa' }))).toBe('exa,mediawiki,openalex,crossref,arxiv');
  });

  it('are refused for providers that take none', () => {
    expect(problems(() => parseOwnKeys('brave,arxiv, google'))).toEqual([
      expect.stringMatching(/^ARGOSY_OWN_KEYS: "arxiv" is no search provider that takes a key; .* brave, tavily/),
      expect.stringMatching(/^ARGOSY_OWN_KEYS: "google"/),
    ]);
  });
});

it('knows which are scholarly by their names alone', () => {
  expect(['brave', 'arxiv', 'google'].map(isScholarly)).toEqual([false, true, false]);
});

it.each([
  ['google', /"google" is no search provider; known are searxng, brave/],
  ['arxiv,arxiv', /arxiv is named twice/],
  ['searxng', /say where searxng is/],
  ['searxng=', /say where searxng is/],
  ['searxng=ftp://a.example', /needs an http or https address/],
  ['mediawiki=http://user:pw@a.example', /needs an http or https address/],
])('refuses %s', (text, message) => {
  expect(problems(() => parseProviders(text))).toEqual([expect.stringMatching(message)]);
});
