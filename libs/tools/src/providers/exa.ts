import { z } from 'zod';
import { askJson } from './answer.ts';
import { hitOf, words } from './plain.ts';
import type { SearchProvider } from './provider.ts';
import { bare } from './sites.ts';

const result = z.object({
  url: z.string(),
  title: words,
  publishedDate: words,
  highlights: z.array(z.string()).nullish(),
});
const shape = z.object({ results: z.array(result) });

/** Exa. Source: docs.exa.ai/reference/search. */
export function exa(key: string, base = 'https://api.exa.ai', keyName = 'ARGOSY_EXA_API_KEY'): SearchProvider {
  return {
    name: 'exa',
    field: 'web',
    hosts: [new URL(base).host],
    attribution: 'Web results by Exa.',
    rule: { perSecond: 4, burst: 5, parallel: 4, perDay: null },
    longestQuery: 1_000,
    async search({ query, after, before, allowDomains, denyDomains, limit, ...wanted }, door) {
      const body = JSON.stringify({
        query,
        type: 'auto',
        numResults: Math.min(limit, 20),
        contents: { highlights: true },
        ...(after === undefined ? {} : { startPublishedDate: `${after}T00:00:00.000Z` }),
        ...(before === undefined ? {} : { endPublishedDate: `${before}T23:59:59.999Z` }),
        ...(allowDomains.length === 0 ? {} : { includeDomains: allowDomains.map(bare) }),
        ...(denyDomains.length === 0 ? {} : { excludeDomains: denyDomains.map(bare) }),
      });
      const headers = { 'x-api-key': key, 'content-type': 'application/json' };
      const request = { method: 'POST', headers, body } as const;
      const url = new URL('/search', base);
      const question = { provider: 'exa', url, request, refused: `Check ${keyName} and its plan.` };
      const { results } = await askJson(door, question, wanted, shape);
      const hits = results.map(({ highlights, publishedDate, ...found }) => {
        return hitOf({ ...found, snippet: highlights?.join(' … '), published: publishedDate });
      });
      return hits.filter((hit) => hit !== null);
    },
  };
}
