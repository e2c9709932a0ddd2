import { z } from 'zod';
import { askJson } from './answer.ts';
import { hitOf, words } from './plain.ts';
import type { SearchProvider } from './provider.ts';
import { withSites } from './sites.ts';

// Without any web result there is no `web` at all.
const shape = z.object({
  type: z.literal('search'),
  web: z
    .object({ results: z.array(z.object({ url: z.string(), title: words, description: words, page_age: words })) })
    .nullish(),
});

const LONGEST = 400;

/** Brave Search. Source: api-dashboard.search.brave.com, Web Search API. */
export function brave(
  key: string,
  base = 'https://api.search.brave.com',
  keyName = 'ARGOSY_BRAVE_API_KEY',
): SearchProvider {
  return {
    name: 'brave',
    field: 'web',
    hosts: [new URL(base).host],
    attribution: 'Web results by Brave Search.',
    rule: { perSecond: 1, burst: 1, parallel: 2, perDay: null },
    longestQuery: LONGEST,
    async search({ after, before, language, limit, ...wanted }, door) {
      const url = new URL('/res/v1/web/search', base);
      url.searchParams.set('q', withSites(wanted, LONGEST));
      url.searchParams.set('count', String(Math.min(limit, 20)));
      if (after !== undefined || before !== undefined) {
        const today = new Date(wanted.now).toISOString().slice(0, 10);
        url.searchParams.set('freshness', `${after ?? '1990-01-01'}to${before ?? today}`);
      }
      if (language !== undefined) url.searchParams.set('search_lang', codes[language] ?? language);
      const request = { headers: { 'X-Subscription-Token': key } };
      const question = { provider: 'brave', url, request, refused: `Check ${keyName} and its plan.` };
      const { web } = await askJson(door, question, wanted, shape);
      const hits = (web?.results ?? []).map(({ description, page_age, ...result }) => {
        return hitOf({ ...result, snippet: description, published: page_age });
      });
      return hits.filter((hit) => hit !== null);
    },
  };
}

/** Where Brave writes a language in another way. */
const codes: Readonly<Record<string, string>> = { ja: 'jp', zh: 'zh-hans' };
