import { subjectWords } from '#domain';
import { askText, strange } from './answer.ts';
import { arxivIdOf, doiOf } from './doi.ts';
import { hitOf, oneLine } from './plain.ts';
import { ProviderFault, type ProviderHit, type ProviderQuery, type SearchProvider } from './provider.ts';

/** More words than this fit no paper. */
const MOST_WORDS = 10;

/**
 * arXiv: preprints with abstracts and open PDF files. Source: info.arxiv.org/help/api/user-manual.html, and tou.html for
 * its rule of one request in three seconds, one at a time.
 */
export function arxiv(base = 'https://export.arxiv.org'): SearchProvider {
  return {
    name: 'arxiv',
    field: 'scholarly',
    hosts: [new URL(base).host],
    attribution: 'Thank you to arXiv for use of its open access interoperability.',
    rule: { perSecond: 1 / 3, burst: 1, parallel: 1, perDay: null },
    longestQuery: 500,
    async search(wanted: ProviderQuery, door) {
      const url = new URL('/api/query', base);
      url.searchParams.set('search_query', expression(wanted));
      url.searchParams.set('max_results', String(wanted.limit));
      const refused = 'It shuts out who asks too fast; see info.arxiv.org/help/api/tou.html.';
      const request = { accept: 'application/atom+xml' };
      const text = await askText(door, { provider: 'arxiv', url, request, refused }, wanted);
      return await hitsOf(text);
    },
  };
}

/** All words, in any field; `submittedDate` takes minutes, in GMT. */
function expression({ query, after, before }: ProviderQuery): string {
  const words = subjectWords(query)
    .slice(0, MOST_WORDS)
    .map((word) => `all:"${word.replace(/["\\]/g, ' ')}"`);
  if (after === undefined && before === undefined) return words.join(' AND ');
  const [first, last] = [after ?? '1991-01-01', before ?? '2999-12-31'].map((day) => day.replaceAll('-', ''));
  return [...words, `submittedDate:[${first}0000 TO ${last}2359]`].join(' AND ');
}

/** The little of the DOM that is used here. */
interface XmlElement {
  readonly localName: string;
  readonly textContent: string;
  getElementsByTagName(name: string): Iterable<XmlElement>;
  getAttribute(name: string): string | null;
}

async function hitsOf(text: string): Promise<ProviderHit[]> {
  if (/^\s*rate exceeded/i.test(text)) throw new ProviderFault('quota', 'arxiv was asked too often.');
  // A feed needs no document type, and with one could name entities to fetch or to blow up.
  if (/<!(?:DOCTYPE|ENTITY)/i.test(text)) throw strange('arxiv', 'a document type, which no feed has');
  // Of those who offer the tool, few ever ask: the parser is loaded by the first who does.
  const { DOMParser } = await import('linkedom');
  const root = new DOMParser().parseFromString(text, 'text/xml').documentElement as XmlElement | null; // the subset above
  if (root?.localName !== 'feed') throw strange('arxiv', 'no Atom feed');
  return [...root.getElementsByTagName('entry')].map(hitOfEntry).filter((hit) => hit !== null);
}

function hitOfEntry(entry: XmlElement): ProviderHit | null {
  const said = (name: string) => oneLine(first(entry, name)?.textContent);
  const id = said('id');
  // It answers faults of the query with a success and one entry that is no paper.
  if (/\/api\/errors/.test(id))
    throw new ProviderFault('invalid', `arxiv does not take this query: ${said('summary').slice(0, 200)}`);
  const arxivId = arxivIdOf(id);
  if (arxivId === undefined) throw strange('arxiv', 'an entry that is no paper');
  const abstract = said('summary');
  const published = said('published');
  const url = `https://arxiv.org/abs/${arxivId}`;
  // Its words hold formulas, which are no markup.
  const hit = hitOf({ url, title: said('title'), snippet: abstract, published, isPlain: true });
  if (hit === null) return null;
  const pdf = [...entry.getElementsByTagName('link')].find((link) => link.getAttribute('title') === 'pdf');
  return {
    ...hit,
    abstract,
    arxivId,
    work: {
      authors: [...entry.getElementsByTagName('author')].map((author) => oneLine(first(author, 'name')?.textContent)),
      year: Number(published.slice(0, 4)) || null,
      venue: said('arxiv:journal_ref') || 'arXiv',
      citations: null,
      doi: doiOf(said('arxiv:doi')) ?? `10.48550/arxiv.${arxivId}`,
      pdfUrl: pdf?.getAttribute('href')?.replace(/^http:/, 'https:') ?? null,
    },
  };
}

function first(element: XmlElement, name: string): XmlElement | undefined {
  for (const found of element.getElementsByTagName(name)) return found;
  return undefined;
}
