import { Readability } from '@mozilla/readability';
import { parseHTML } from 'linkedom';
import TurndownService from 'turndown';

/** Above this many characters Readability is left out: it costs seconds and reference pages lose parts in it. */
const READABILITY_LIMIT = 500_000;
/** Readability's article is taken when it keeps at least this share of the text outside links. */
const ARTICLE_SHARE = 0.6;

const NOISE =
  'title,script,style,noscript,template,svg,iframe,canvas,object,embed,link,meta,input,select,textarea,button,dialog,[hidden],[aria-hidden="true"]';
const CHROME = 'nav,footer,[role="navigation"],[role="contentinfo"],[role="search"]';

/** The little of the DOM that is used here; linkedom's own types want the browser's library. */
interface DomElement {
  readonly textContent: string;
  readonly tagName: string;
  readonly outerHTML: string;
  innerHTML: string;
  querySelectorAll(selector: string): Iterable<DomElement>;
  querySelector(selector: string): DomElement | null;
  getAttribute(name: string): string | null;
  remove(): void;
}
interface DomDocument extends DomElement {
  readonly body: DomElement;
}

/**
 * An HTML page as Markdown-like text: headings, lists, tables and code stay, links and images keep their words only.
 * The article as Readability finds it, or the whole body without navigation where that would lose much of the text.
 * CPU-bound, about 1 s per 700 kB: call it in a worker thread.
 */
export function htmlToText(html: string): { title: string | null; text: string } {
  const document = parse(html);
  const title = titleOf(document);
  removeHidden(document);
  for (const element of [...document.querySelectorAll(CHROME)]) element.remove();
  const article = html.length <= READABILITY_LIMIT ? articleOf(document, title) : null;
  return { title, text: article ?? toMarkdown(document.body) };
}

function parse(html: string): DomDocument {
  // linkedom takes the first element for the root: a bare fragment would lose all but that.
  const whole = /<html[\s>]/i.test(html) ? html : `<!doctype html><html><head></head><body>${html}</body></html>`;
  const { document } = parseHTML(whole);
  return document as unknown as DomDocument; // the subset declared above
}

function titleOf(document: DomDocument): string | null {
  const candidates = [
    document.querySelector('title')?.textContent,
    document.querySelector('meta[property="og:title"]')?.getAttribute('content'),
    document.querySelector('h1')?.textContent,
  ];
  for (const candidate of candidates) {
    const title = candidate?.replace(/\s+/g, ' ').trim();
    if (title) return title.slice(0, 300);
  }
  return null;
}

/** Text that a reader never sees must not reach the index or a model. */
function removeHidden(document: DomDocument): void {
  for (const element of [...document.querySelectorAll(NOISE)]) element.remove();
  for (const element of [...document.querySelectorAll('[style]')]) {
    if (/display\s*:\s*none|visibility\s*:\s*hidden/i.test(element.getAttribute('style') ?? '')) element.remove();
  }
}

function articleOf(document: DomDocument, title: string | null): string | null {
  const copy = parse(document.outerHTML ?? `<html>${document.body.outerHTML}</html>`);
  const article = new Readability(copy as never, { charThreshold: 200, keepClasses: true }).parse();
  if (!article?.content) return null;
  const body = parse(article.content).body;
  if (proseLength(body) < ARTICLE_SHARE * proseLength(document.body)) return null;
  return withMainHeading(toMarkdown(body), oneLine(article.title || title || ''));
}

/** Readability drops the main heading or makes it one of second rank; a reader of the snapshot wants it back. */
function withMainHeading(text: string, title: string): string {
  const first = /^#{1,2} (.+)$/m.exec(text.slice(0, 400));
  if (title === '' || first?.[0].startsWith('# ')) return text;
  if (first?.[1] && title.toLowerCase().includes(first[1].toLowerCase()))
    return text.replace(first[0], `# ${first[1]}`);
  return `# ${title}\n\n${text}`;
}

/** Characters of text outside links: menus and link lists do not count as text lost. */
function proseLength(root: DomElement): number {
  const length = (text: string) => text.replace(/\s+/g, ' ').length;
  let linked = 0;
  for (const link of root.querySelectorAll('a')) linked += length(link.textContent);
  return length(root.textContent) - linked;
}

function toMarkdown(root: DomElement): string {
  const service = new TurndownService({
    headingStyle: 'atx',
    codeBlockStyle: 'fenced',
    bulletListMarker: '-',
    emDelimiter: '*',
  });
  // A snapshot is quoted word for word: no backslashes that the page does not have.
  service.escape = (text) => text;
  service.addRule('link', { filter: 'a', replacement: (content) => content });
  service.addRule('image', { filter: 'img', replacement: (_content, node) => attribute(node, 'alt') });
  service.addRule('cell', { filter: ['td', 'th'], replacement: (content) => ` ${oneLine(content)} |` });
  service.addRule('row', { filter: 'tr', replacement: (content) => `\n|${content}` });
  service.addRule('table', {
    filter: 'table',
    replacement: (content) => `\n\n${content.replace(/\n{2,}/g, '\n')}\n\n`,
  });
  service.addRule('pre', { filter: 'pre', replacement: (_content, node) => fenced(node as unknown as DomElement) });
  const text = service.turndown(root as never);
  return text
    .replace(/[\u200b\u2060\ufeff\u202a-\u202e\u2066-\u2069]/g, '')
    .replace(/[ \t\u00a0]+$/gm, '')
    .replace(/\n{3,}/g, '\n\n')
    .trim();
}

function fenced(pre: DomElement): string {
  const classes = `${pre.getAttribute('class') ?? ''} ${pre.querySelector('code')?.getAttribute('class') ?? ''}`;
  const language = /(?:language|lang|highlight)-([\w+#-]+)/.exec(classes)?.[1] ?? '';
  const code = pre.textContent.replace(/\r\n?/g, '\n').replace(/^\n|\s+$/g, '');
  const fence = code.includes('```') ? '~~~~' : '```';
  return `\n\n${fence}${language}\n${code}\n${fence}\n\n`;
}

function oneLine(text: string): string {
  return text.replace(/\s+/g, ' ').trim();
}

function attribute(node: unknown, name: string): string {
  return (node as DomElement).getAttribute(name) ?? '';
}
