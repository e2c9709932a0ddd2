import { z } from 'zod';
import { askJson } from './answer.ts';
import { hitOf, words } from './plain.ts';
import type { SearchProvider } from './provider.ts';
import { bare } from './sites.ts';

const shape = z.object({
  results: z.array(z.object({ url: z.string(), title: words, content: words, published_date: words })),
});

/** Tavily. Source: docs.tavily.com/documentation/api-reference/endpoint/search; 432 and 433 there mean a spent plan. */
export function tavily(
  key: string,
  base = 'https://api.tavily.com',
  keyName = 'ARGOSY_TAVILY_API_KEY',
): SearchProvider {
  return {
    name: 'tavily',
    field: 'web',
    hosts: [new URL(base).host],
    attribution: 'Web results by Tavily.',
    rule: { perSecond: 1.5, burst: 5, parallel: 4, perDay: null },
    longestQuery: 400,
    async search({ query, after, before, allowDomains, denyDomains, limit, ...wanted }, door) {
      const body = JSON.stringify({
        query,
        search_depth: 'basic',
        max_results: Math.min(limit, 20),
        ...(after === undefined ? {} : { start_date: after }),
        ...(before === undefined ? {} : { end_date: before }),
        ...(allowDomains.length === 0 ? {} : { include_domains: allowDomains.slice(0, 300).map(bare) }),
        ...(denyDomains.length === 0 ? {} : { exclude_domains: denyDomains.slice(0, 150).map(bare) }),
      });
      const headers = { authorization: `Bearer ${key}`, 'content-type': 'application/json' };
      const request = { method: 'POST', headers, body } as const;
      const url = new URL('/search', base);
      const question = { provider: 'tavily', url, request, refused: `Check ${keyName} and its plan.` };
      const { results } = await askJson(door, question, wanted, shape);
      const hits = results.map(({ content, published_date, ...result }) => {
        return hitOf({ ...result, snippet: content, published: published_date });
      });
      return hits.filter((hit) => hit !== null);
    },
  };
}
