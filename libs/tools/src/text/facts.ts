import { type DomElement, isElement, oneLine } from './dom.ts';
import { visible } from './unseen.ts';

/** What a page says of itself besides its text; null where it says nothing. */
export interface PageFacts {
  readonly title: string | null;
  /** ISO 8601 dates, as precise as the page tells. */
  readonly published: string | null;
  readonly modified: string | null;
  /** BCP 47. */
  readonly language: string | null;
  /** The `href` that the page calls its own address, as written. */
  readonly canonical: string | null;
}

const LONGEST_TITLE = 300;
/** Structured data is looked at up to this many characters and objects. */
const MOST_JSON = 200_000;
const MOST_OBJECTS = 500;

const PUBLISHED = [
  'article:published_time',
  'og:article:published_time',
  'datePublished',
  'citation_publication_date',
  'citation_date',
  'dc.date',
  'dcterms.created',
  'date',
  'pubdate',
];
const MODIFIED = [
  'article:modified_time',
  'og:updated_time',
  'dateModified',
  'dcterms.modified',
  'last-modified',
  'revised',
];

/** The elements of a page that {@link factsOf} looks at. */
export const TELLING = ['html', 'title', 'meta', 'link', 'h1', 'script', 'time'];

/**
 * What a page says of itself in the elements that are {@link TELLING}.
 * @param elements in order of the page, before it is cleaned; others are passed over
 */
export function factsOf(elements: readonly DomElement[]): PageFacts {
  const of = (name: string) => elements.filter(({ localName }) => localName === name);
  const meta = metaOf(of('meta'));
  const linked = linkedData(of('script'));
  const first = (names: readonly string[]) => names.map((name) => meta.get(name.toLowerCase())).find((v) => v);
  return {
    title: titleOf([of('title')[0]?.textContent, meta.get('og:title'), of('h1')[0]?.textContent]),
    published: dateOf(first(PUBLISHED)) ?? dateOf(linked['datePublished']) ?? dateOf(timeOf(of('time'))),
    modified: dateOf(first(MODIFIED)) ?? dateOf(linked['dateModified']),
    language: languageOf(of('html')[0], meta),
    canonical: canonicalOf(of('link')),
  };
}

function metaOf(elements: readonly DomElement[]): Map<string, string> {
  const meta = new Map<string, string>();
  for (const element of elements) {
    const value = element.getAttribute('content')?.trim();
    const named = ['property', 'name', 'itemprop', 'http-equiv'].map((name) => element.getAttribute(name));
    for (const name of named) if (name && value && !meta.has(name.toLowerCase())) meta.set(name.toLowerCase(), value);
  }
  return meta;
}

function titleOf(candidates: readonly (string | null | undefined)[]): string | null {
  const titles = candidates.map((candidate) => oneLine(visible(candidate ?? '')).slice(0, LONGEST_TITLE));
  return titles.find((title) => title !== '') ?? null;
}

function languageOf(root: DomElement | undefined, meta: ReadonlyMap<string, string>): string | null {
  const given = [root?.getAttribute('lang'), root?.getAttribute('xml:lang'), meta.get('content-language')];
  const tags = given.map((text) => text?.trim().replace('_', '-') ?? '');
  return tags.find((text) => /^[a-z]{2,3}(?:-\w+)*$/i.test(text)) ?? null;
}

function canonicalOf(links: readonly DomElement[]): string | null {
  const own = links.find((link) => link.getAttribute('rel')?.toLowerCase() === 'canonical');
  return own?.getAttribute('href')?.trim() || null;
}

/** The time that is marked as that of the whole page, else the first one in an article or a header. */
function timeOf(times: readonly DomElement[]): string | undefined {
  const marked = times.find(
    (time) => time.getAttribute('itemprop') === 'datePublished' || time.getAttribute('pubdate'),
  );
  const time = marked ?? times.find((candidate) => candidate.getAttribute('datetime') && stands(candidate));
  return time?.getAttribute('datetime') ?? undefined;
}

function stands(time: DomElement): boolean {
  for (let up = time.parentNode; up; up = up.parentNode) {
    if (isElement(up) && (up.localName === 'article' || up.localName === 'header')) return true;
  }
  return false;
}

/** JSON-LD of the page, the first value of each of its dates. What is no JSON is passed over. */
function linkedData(scripts: readonly DomElement[]): Record<string, string> {
  const found: Record<string, string> = {};
  const open: unknown[] = [];
  for (const script of scripts) {
    if (script.getAttribute('type')?.toLowerCase() !== 'application/ld+json') continue;
    const text = script.textContent ?? '';
    if (text.length > MOST_JSON) continue;
    try {
      open.push(JSON.parse(text));
    } catch {
      // Pages write such data by templates, and some break it.
    }
  }
  for (let seen = 0; open.length > 0 && seen < MOST_OBJECTS; seen++) {
    const value = open.shift();
    if (typeof value !== 'object' || value === null) continue;
    for (const [key, inner] of Object.entries(value)) {
      if (typeof inner === 'object') open.push(inner);
      else if (/^date(?:Published|Modified)$/.test(key) && typeof inner === 'string') found[key] ??= inner;
    }
  }
  return found;
}

/** A date in ISO 8601: as it stands, or made of one that other systems write; null when it is none. */
function dateOf(text: string | undefined): string | null {
  const given = text?.trim().slice(0, 60) ?? '';
  const iso =
    /^(\d{4})(?:([-/])(\d{1,2})(?:\2(\d{1,2}))?)?(T\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?(?:Z|[+-]\d{2}:?\d{2})?)?/.exec(
      given,
    );
  if (iso?.[1]) {
    const [month, day] = [iso[3]?.padStart(2, '0'), iso[4]?.padStart(2, '0')];
    const date = [iso[1], month, day].filter((part) => part !== undefined).join('-');
    return Number.isNaN(Date.parse(date)) ? null : `${date}${day && iso[5] ? iso[5] : ''}`;
  }
  const parsed = Date.parse(`${given} UTC`.replace(/ (?:UTC|GMT|Z) UTC$/, ' UTC'));
  return given === '' || Number.isNaN(parsed) ? null : new Date(parsed).toISOString().slice(0, 10);
}
