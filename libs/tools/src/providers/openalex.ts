import { z } from 'zod';
import { askJson } from './answer.ts';
import { arxivIdOf, doiOf, doiUrl } from './doi.ts';
import { keywords } from './keywords.ts';
import { hitOf, oneLine, plainText, words } from './plain.ts';
import type { ProviderHit, SearchProvider } from './provider.ts';

const location = z
  .object({
    landing_page_url: words,
    pdf_url: words,
    source: z.object({ display_name: words }).nullish(),
  })
  .nullish();

const work = z.object({
  id: z.string(),
  doi: words,
  display_name: words,
  publication_year: z.number().nullish(),
  publication_date: words,
  cited_by_count: z.number().nullish(),
  authorships: z.array(z.object({ author: z.object({ display_name: words }) })).nullish(),
  primary_location: location,
  best_oa_location: location,
  abstract_inverted_index: z.record(z.string(), z.array(z.number())).nullish(),
});
const shape = z.object({ results: z.array(work) });

const fields = Object.keys(work.shape).join(',');

/** An abstract is no longer; a position beyond would be a list to fill up with nothing. */
const MOST_WORDS = 5_000;

/** Searches of a day, by developers.openalex.org/api-reference/authentication: $0.10 without a key, $1 with one, at $1 per 1,000. */
const SEARCHES = { bare: 100, keyed: 1_000 };

/**
 * OpenAlex: works of all fields, with abstracts and counts of citations. Source: developers.openalex.org.
 * @param key null for the small allowance that goes without
 */
export function openalex(
  key: string | null,
  base = 'https://api.openalex.org',
  keyName = 'ARGOSY_OPENALEX_API_KEY',
): SearchProvider {
  return {
    name: 'openalex',
    field: 'scholarly',
    hosts: [new URL(base).host],
    attribution: 'OpenAlex, CC0.',
    rule: { perSecond: 2, burst: 5, parallel: 3, perDay: key === null ? SEARCHES.bare : SEARCHES.keyed },
    longestQuery: 500,
    async search(wanted, door) {
      const { after, before, limit } = wanted;
      const url = new URL('/works', base);
      // Its own syntax would make operators of these.
      url.searchParams.set('search', keywords(wanted).replace(/[*?~()]/g, ' '));
      url.searchParams.set('per_page', String(limit));
      url.searchParams.set('select', fields);
      const days = [after && `from_publication_date:${after}`, before && `to_publication_date:${before}`];
      const filter = days.filter((day) => day !== undefined).join(',');
      if (filter !== '') url.searchParams.set('filter', filter);
      if (key !== null) url.searchParams.set('api_key', key);
      const refused = `Check ${keyName}.`;
      // It answers 403 to who asks too fast.
      const question = { provider: 'openalex', url, refused, quota: [403] };
      const { results } = await askJson(door, question, wanted, shape);
      return results.map(hitOfWork).filter((hit) => hit !== null);
    },
  };
}

function hitOfWork(found: z.infer<typeof work>): ProviderHit | null {
  const doi = doiOf(found.doi);
  const { primary_location: primary, best_oa_location: open } = found;
  const abstract = abstractOf(found.abstract_inverted_index);
  const url = doi === null ? (primary?.landing_page_url ?? found.id) : doiUrl(doi);
  const published = found.publication_date ?? found.publication_year?.toString();
  const hit = hitOf({ url, title: found.display_name, snippet: abstract, published });
  if (hit === null) return null;
  return {
    ...hit,
    abstract,
    arxivId: arxivIdOf(found.doi) ?? arxivIdOf(primary?.landing_page_url) ?? arxivIdOf(open?.landing_page_url),
    work: {
      authors: (found.authorships ?? [])
        .map(({ author }) => oneLine(author.display_name))
        .filter((name) => name !== ''),
      year: found.publication_year ?? null,
      venue: oneLine(primary?.source?.display_name) || null,
      citations: found.cited_by_count ?? null,
      doi,
      pdfUrl: open?.pdf_url ?? null,
    },
  };
}

/** A text from its words and the places at which each stands. */
function abstractOf(index: Readonly<Record<string, readonly number[]>> | null | undefined): string {
  const text: string[] = [];
  for (const [word, places] of Object.entries(index ?? {})) {
    for (const place of places) if (Number.isInteger(place) && place >= 0 && place < MOST_WORDS) text[place] = word;
  }
  return plainText(Array.from(text, (word) => word ?? '').join(' '));
}
