import { z } from 'zod';
import { askJson } from './answer.ts';
import { arxivIdOf, doiOf, doiUrl } from './doi.ts';
import { hitOf, oneLine, plainText, words } from './plain.ts';
import type { ProviderHit, SearchProvider } from './provider.ts';

const work = z.object({
  DOI: z.string(),
  title: z.array(z.string()).nullish(),
  author: z.array(z.object({ given: words, family: words, name: words })).nullish(),
  issued: z.object({ 'date-parts': z.array(z.array(z.number().nullable())) }).nullish(),
  'container-title': z.array(z.string()).nullish(),
  'is-referenced-by-count': z.number().nullish(),
  abstract: words,
  license: z.array(z.object({ URL: words })).nullish(),
  link: z.array(z.object({ URL: words, 'content-type': words })).nullish(),
});
const shape = z.object({ message: z.object({ items: z.array(work) }) });

const slow = { burst: 1, parallel: 1, perDay: null };

const fields = Object.keys(work.shape).join(',');

/**
 * Crossref: what publishers have registered. Source: crossref.org/documentation/retrieve-metadata/rest-api.
 * @param contact e-mail address, which gives its better served pool; null for none
 */
export function crossref(contact: string | null, base = 'https://api.crossref.org'): SearchProvider {
  return {
    name: 'crossref',
    field: 'scholarly',
    hosts: [new URL(base).host],
    attribution: 'Crossref metadata, free of rights; abstracts belong to their publishers.',
    // Its limits differ by pool and by kind of request; of lists, few are allowed, and of who is not named, one at a time.
    rule: contact === null ? { ...slow, perSecond: 1 } : { ...slow, perSecond: 3, burst: 3, parallel: 3 },
    longestQuery: 500,
    async search({ query, after, before, limit, ...wanted }, door) {
      const url = new URL('/works', base);
      url.searchParams.set('query.bibliographic', query);
      url.searchParams.set('rows', String(limit));
      url.searchParams.set('select', fields);
      const days = [after && `from-pub-date:${after}`, before && `until-pub-date:${before}`];
      const filter = days.filter((day) => day !== undefined).join(',');
      if (filter !== '') url.searchParams.set('filter', filter);
      if (contact !== null) url.searchParams.set('mailto', contact);
      const refused = 'It shuts out who disturbs it: set ARGOSY_CONTACT to an e-mail address, and write to Crossref.';
      const { message } = await askJson(door, { provider: 'crossref', url, refused }, wanted, shape);
      return message.items.map(hitOfWork).filter((hit) => hit !== null);
    },
  };
}

function hitOfWork(found: z.infer<typeof work>): ProviderHit | null {
  const doi = doiOf(found.DOI);
  if (doi === null) return null;
  const [year = null, month = null, day = null] = found.issued?.['date-parts'][0] ?? [];
  const abstract = plainText(found.abstract).replace(/^Abstract\s+/i, '');
  const published = dateOf([year, month, day]);
  const hit = hitOf({ url: doiUrl(doi), title: found.title?.[0], snippet: abstract, published });
  if (hit === null) return null;
  return {
    ...hit,
    abstract,
    arxivId: arxivIdOf(doi),
    work: {
      authors: (found.author ?? []).map(nameOf).filter((name) => name !== ''),
      year,
      venue: plainText(found['container-title']?.[0]) || null,
      citations: found['is-referenced-by-count'] ?? null,
      doi,
      pdfUrl: openPdfOf(found),
    },
  };
}

function nameOf({ given, family, name }: NonNullable<z.infer<typeof work>['author']>[number]): string {
  return oneLine(name ?? [given, family].filter((part) => typeof part === 'string').join(' '));
}

/** As precise as all parts that are there say. */
function dateOf(parts: readonly (number | null)[]): string | null {
  const [year, month, day] = parts;
  if (!year) return null;
  const two = (part: number) => String(part).padStart(2, '0');
  return [String(year).padStart(4, '0'), ...(month ? [two(month), ...(day ? [two(day)] : [])] : [])].join('-');
}

/** Links to PDF files are for subscribers as well: only under a free licence is one open to everyone. */
function openPdfOf({ license, link }: z.infer<typeof work>): string | null {
  const isOpen = license?.some(({ URL: terms }) => /^https?:\/\/creativecommons\.org\//.test(terms ?? '')) ?? false;
  const pdf = link?.find((one) => one['content-type'] === 'application/pdf');
  return isOpen ? (pdf?.URL ?? null) : null;
}
