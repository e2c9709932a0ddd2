import { z } from 'zod';
import { askJson, strange } from './answer.ts';
import { keywords } from './keywords.ts';
import { hitOf, words } from './plain.ts';
import { ProviderFault, type SearchProvider } from './provider.ts';

const shape = z.object({
  query: z
    .object({
      general: z.object({ server: z.string(), articlepath: z.string() }),
      search: z.array(z.object({ title: z.string(), snippet: words })),
    })
    .optional(),
  error: z.object({ code: z.string() }).optional(),
});

const wikipedia = 'https://en.wikipedia.org/w/api.php';

/**
 * Wikipedia in the language of the query, or another MediaWiki. Sources: mediawiki.org/wiki/API:Search, API:Siteinfo,
 * API:Etiquette (one request after the other, and a name to complain to).
 * @param api address of its `api.php`
 */
export function mediawiki(api = wikipedia): SearchProvider {
  const isWikipedia = api === wikipedia;
  return {
    name: 'mediawiki',
    field: 'encyclopedic',
    hosts: [isWikipedia ? '*.wikipedia.org' : new URL(api).host],
    attribution: isWikipedia ? 'Wikipedia, CC BY-SA 4.0.' : `The wiki at ${new URL(api).host}, on its own terms.`,
    rule: { perSecond: 2, burst: 5, parallel: 1, perDay: null },
    // CirrusSearch takes no more.
    longestQuery: 300,
    async search(wanted, door) {
      const { language, limit } = wanted;
      const url = new URL(api);
      if (isWikipedia && language !== undefined) url.hostname = `${language}.wikipedia.org`;
      const parameters = { action: 'query', format: 'json', formatversion: '2', list: 'search', srprop: 'snippet' };
      const asked = { srsearch: keywords(wanted), srlimit: String(limit), meta: 'siteinfo', siprop: 'general' };
      for (const [name, value] of Object.entries({ ...parameters, ...asked })) url.searchParams.set(name, value);
      const refused = 'Wikimedia refuses programs without an address to complain to: set ARGOSY_CONTACT.';
      const answer = await askJson(door, { provider: 'mediawiki', url, refused }, wanted, shape);
      if (answer.error) throw faultOf(answer.error.code);
      if (!answer.query) throw strange('mediawiki', 'neither a result nor an error');
      const { general, search } = answer.query;
      const hits = search.map(({ title, snippet }) => {
        const address = new URL(general.articlepath.replace('$1', pathOf(title)), new URL(general.server, url));
        // When a page was last edited says nothing of when it was published.
        return hitOf({ url: address.href, title, snippet, published: null });
      });
      return hits.filter((hit) => hit !== null);
    },
  };
}

function pathOf(title: string): string {
  return encodeURIComponent(title.toWellFormed().replaceAll(' ', '_')).replace(/%(2F|3A|2C)/g, decodeURIComponent);
}

function faultOf(code: string): ProviderFault {
  const told = `mediawiki answered with the error ${JSON.stringify(code.slice(0, 60))}`;
  if (code === 'ratelimited') return new ProviderFault('quota', `${told}: it was asked too often.`);
  if (/maxlag|readonly|internal_api_error|search-backend-error|timeout/.test(code)) {
    return new ProviderFault('transient', `${told}: it has a fault and may answer later.`);
  }
  if (/denied|blocked|login/.test(code)) return new ProviderFault('blocked', `${told}: it refuses us.`);
  return new ProviderFault('invalid', `${told}: it does not take this query. Try other or fewer words.`);
}
