import { type DomDocument, type DomElement, oneLine } from './dom.ts';

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

/** Reads the head of a page; call it before the page is cleaned. Cost O(page). */
export function factsOf(document: DomDocument): PageFacts {
  const meta = metaOf(document);
  const linked = linkedData(document);
  const first = (names: readonly string[]) => names.map((name) => meta.get(name.toLowerCase())).find((v) => v);
  return {
    title: titleOf(document, meta),
    published: dateOf(first(PUBLISHED)) ?? dateOf(linked['datePublished']) ?? dateOf(timeOf(document)),
    modified: dateOf(first(MODIFIED)) ?? dateOf(linked['dateModified']),
    language: languageOf(document, meta),
    canonical: document.querySelector('link[rel="canonical"]')?.getAttribute('href')?.trim() || null,
  };
}

function metaOf(document: DomDocument): Map<string, string> {
  const meta = new Map<string, string>();
  for (const element of document.querySelectorAll('meta')) {
    const value = element.getAttribute('content')?.trim();
    const named = ['property', 'name', 'itemprop', 'http-equiv'].map((name) => element.getAttribute(name));
    for (const name of named) if (name && value && !meta.has(name.toLowerCase())) meta.set(name.toLowerCase(), value);
  }
  return meta;
}

function titleOf(document: DomDocument, meta: ReadonlyMap<string, string>): string | null {
  const candidates = [
    document.querySelector('title')?.textContent,
    meta.get('og:title'),
    document.querySelector('h1')?.textContent,
  ];
  const titles = candidates.map((candidate) => oneLine(candidate ?? '').slice(0, LONGEST_TITLE));
  return titles.find((title) => title !== '') ?? null;
}

function languageOf(document: DomDocument, meta: ReadonlyMap<string, string>): string | null {
  const root = document.querySelector('html');
  const given = [root?.getAttribute('lang'), root?.getAttribute('xml:lang'), meta.get('content-language')];
  const tag = given
    .map((text) => text?.trim().replace('_', '-') ?? '')
    .find((text) => /^[a-z]{2,3}(?:-\w+)*$/i.test(text));
  return tag ?? null;
}

/** An element that gives the time of the whole page, as HTML and microdata have it. */
function timeOf(document: DomDocument): string | undefined {
  const marked = document.querySelector('[itemprop="datePublished"]');
  const time: DomElement | null =
    marked ?? document.querySelector('time[pubdate],article time[datetime],header time[datetime]');
  return time?.getAttribute('datetime') ?? time?.getAttribute('content') ?? undefined;
}

/** JSON-LD of the page, the first value of each of its dates. What is no JSON is passed over. */
function linkedData(document: DomDocument): Record<string, string> {
  const found: Record<string, string> = {};
  const open: unknown[] = [];
  for (const script of document.querySelectorAll('script[type="application/ld+json"]')) {
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
