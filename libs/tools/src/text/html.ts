import { Readability } from '@mozilla/readability';
import { clean, proseLength } from './clean.ts';
import { type DomDocument, type DomElement, depthOf, named, oneLine, type ParseDom, parseDom } from './dom.ts';
import { factsOf, type PageFacts, TELLING } from './facts.ts';
import { toMarkdown } from './markdown.ts';

/** Above this many characters Readability is left out: it costs seconds and reference pages lose parts in it. */
const READABILITY_LIMIT = 500_000;
/** An article is taken for the page when it keeps at least this share of the text outside links. */
const ARTICLE_SHARE = 0.6;
/** Deeper pages (browsers themselves stop at 512) are read without Readability, which is recursive. */
const READABILITY_DEPTH = 500;

/** A page as text. */
export interface HtmlText extends PageFacts {
  readonly text: string;
  /** Whether the page is a shell that its scripts fill: a browser would show more. */
  readonly thin: boolean;
}

/**
 * An HTML page as Markdown-like text: headings, lists, tables and code stay, links and images keep their words only.
 * The part that the page itself marks as its main one, else the article as Readability finds it, or the whole body without
 * navigation where either would lose much of the text. CPU-bound, about 0.5 s per megabyte: call it in a worker thread.
 */
export function htmlToText(html: string, parse: ParseDom = parseDom): HtmlText {
  const document = parse(whole(html));
  const { documentElement } = document;
  const telling = [documentElement, ...named(documentElement, ...TELLING, 'noscript')];
  const facts = factsOf(telling);
  const shell = shellOf(telling, document.body);
  clean(document.body);
  // Before Readability: it takes the page apart.
  const thin = isThin(document.body, shell);
  return { ...facts, text: mainText(document, facts.title, html.length <= READABILITY_LIMIT), thin };
}

/** linkedom takes the first element for the root: a bare fragment would lose all but that. */
function whole(html: string): string {
  const page = html.startsWith('<?xml') ? closed(html) : html;
  if (!/<html[\s>]/i.test(page)) return `<!doctype html><html><head></head><body>${page}</body></html>`;
  if (/<body[\s>]/i.test(page)) return page;
  return page.replace(/<\/html\s*>\s*$/i, '').replace(HEAD, (_, html: string, head = '', rest = '') => {
    return `${html}<head>${head}${rest}</head><body>`;
  });
}

/** The start of a page whose body tag is left out, up to where its body begins: the tags of its head may be missing, too. */
const HEAD =
  /(<html\b[^>]*>)(?:\s*<head\b[^>]*>)?(?:([\s\S]*?)<\/head\s*>|((?:\s|<!--[\s\S]*?-->|<(?:meta|link|base)\b[^>]*>|<(title|script|style|noscript|template)\b[\s\S]*?<\/\4\s*>)*))/i;

const VOID = 'area|base|br|col|embed|hr|img|input|link|meta|source|track|wbr';

/** In XHTML any element may close itself, which HTML takes for its start. */
function closed(xhtml: string): string {
  return xhtml.replace(new RegExp(`<(?!(?:${VOID})\\b)([a-z][\\w:-]*)((?:\\s[^<>]*)?)/>`, 'gi'), '<$1$2></$1>');
}

function mainText(document: DomDocument, title: string | null, readable: boolean): string {
  const { body } = document;
  const prose = proseLength(body);
  const enough = (part: DomElement) => proseLength(part) >= ARTICLE_SHARE * prose;
  const heading = headingOf(body, title);
  const marked = markedMain(body);
  if (marked && enough(marked)) return withMainHeading(toMarkdown(marked), heading);
  const all = toMarkdown(body);
  const article = readable && depthOf(body) <= READABILITY_DEPTH ? articleOf(document) : null;
  if (!article?.content || !enough(article.content)) return all;
  return withMainHeading(toMarkdown(article.content), heading || oneLine(article.title ?? ''));
}

/** The page's own main heading, else its title. Of several headings the one that the title repeats. */
function headingOf(body: DomElement, title: string | null): string {
  const headings = named(body, 'h1').map((h1) => oneLine(h1.textContent ?? ''));
  const own = headings.length === 1 ? headings[0] : headings.find((text) => text !== '' && title?.includes(text));
  return own?.replace(/\s*[¶§#]$/u, '') || title || '';
}

/** The one part that the page marks as its main content. */
function markedMain(body: DomElement): DomElement | null {
  const parts = named(body, 'main', 'article', 'div', 'section');
  const mains = parts.filter((part) => part.localName === 'main' || part.getAttribute('role') === 'main');
  for (const [only, second] of [mains, parts.filter(({ localName }) => localName === 'article')]) {
    if (only && !second) return only;
  }
  return null;
}

interface Article {
  readonly title: string | null | undefined;
  readonly content: DomElement | null | undefined;
}

function articleOf(document: DomDocument): Article | null {
  const serializer = (node: unknown) => node;
  const options = { charThreshold: 200, keepClasses: true, disableJSONLD: true, serializer };
  try {
    // linkedom's documents are none of the browser library's that the type asks for.
    return new Readability(document as never, options).parse() as Article | null;
  } catch {
    // It trips over trees that are no page's, and there is a text without it.
    return null;
  }
}

/** Readability drops the main heading or makes it one of second rank; a reader of the snapshot wants it back. */
function withMainHeading(text: string, title: string): string {
  const first = /^#{1,2} (.+)$/m.exec(text.slice(0, 400));
  if (title === '' || text === '' || first?.[0].startsWith('# ')) return text;
  if (first?.[1] && title.toLowerCase().includes(first[1].toLowerCase()))
    return text.replace(first[0], `# ${first[1]}`);
  return `# ${title}\n\n${text}`;
}

/** What tells a page that is made by its scripts. */
interface Shell {
  readonly scripts: number;
  /** A notice asks to switch scripts on, or an element waits for a framework to fill it. */
  readonly waits: boolean;
}

const DATA = /json|template|importmap/i;
const MOUNTS = /^(?:root|app|__next|__nuxt|___gatsby|svelte)$/;

/** @param elements of the page, scripts and notices among them */
function shellOf(elements: readonly DomElement[], body: DomElement): Shell {
  const isScript = (element: DomElement) =>
    element.localName === 'script' && !DATA.test(element.getAttribute('type') ?? '');
  const scripts = elements.filter(isScript).length;
  if (scripts === 0) return { scripts, waits: false };
  const notices = elements.filter(({ localName }) => localName === 'noscript');
  const asked = notices.some(({ textContent }) => /javascript/i.test(textContent ?? ''));
  return { scripts, waits: asked || named(body, 'div', 'app-root', 'main').some(isMount) };
}

function isMount(element: DomElement): boolean {
  return element.localName === 'app-root' || MOUNTS.test(element.getAttribute('id') ?? '');
}

/** With less text than this, in characters, a page with scripts is a shell; and one that waits for them. */
const BARE = 80;
const BARE_WHEN_WAITING = 600;

function isThin(body: DomElement, { scripts, waits }: Shell): boolean {
  if (scripts === 0) return false;
  return oneLine(body.textContent ?? '').length < (waits ? BARE_WHEN_WAITING : BARE);
}
