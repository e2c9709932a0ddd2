import { z } from 'zod';
import { askJson } from './answer.ts';
import { hitOf, words } from './plain.ts';
import { ProviderFault, type SearchProvider } from './provider.ts';
import { withSites } from './sites.ts';

const shape = z.object({
  results: z.array(z.object({ url: z.string(), title: words, content: words, publishedDate: words })),
  // [engine, why] each.
  unresponsive_engines: z.array(z.array(z.unknown())).default([]),
});

const LONGEST = 500;

/** A SearXNG of the operator's own. Source: docs.searxng.org/dev/search_api. @param base its address */
export function searxng(base: string): SearchProvider {
  return {
    name: 'searxng',
    field: 'web',
    hosts: [new URL(base).host],
    attribution: 'Web results by a SearXNG instance, each from the engines that it asks.',
    rule: { perSecond: 2, burst: 5, parallel: 4, perDay: null },
    longestQuery: LONGEST,
    async search({ language, limit, ...wanted }, door) {
      const url = new URL('search', base.endsWith('/') ? base : `${base}/`);
      url.searchParams.set('q', withSites(wanted, LONGEST));
      url.searchParams.set('format', 'json');
      if (language !== undefined) url.searchParams.set('language', language);
      const refused =
        'Its operator must list json under search.formats in its settings.yml, and let us past its limiter.';
      const { results, unresponsive_engines } = await askJson(
        door,
        { provider: 'searxng', url, refused },
        wanted,
        shape,
      );
      if (results.length === 0 && unresponsive_engines.length > 0) {
        throw new ProviderFault('transient', 'None of the engines behind searxng answered; it may know more later.');
      }
      const hits = results.map(({ content, publishedDate, ...result }) => {
        return hitOf({ ...result, snippet: content, published: publishedDate });
      });
      return hits.filter((hit) => hit !== null).slice(0, limit);
    },
  };
}
