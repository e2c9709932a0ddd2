import { InvalidInput } from '#errors';
import { charsetOf } from './charset.ts';
import type { DocumentType, Extracted } from './document.ts';
import type { PageFacts } from './facts.ts';
import { type HtmlText, htmlToText } from './html.ts';
import { pdfToText } from './pdf.ts';
import { snapshotOf } from './snapshot.ts';
import { visible } from './unseen.ts';

/** A document as it came. `charset` is what its sender declared, if it did. */
export interface RawDocument {
  readonly bytes: Uint8Array;
  readonly type: DocumentType;
  readonly charset?: string | undefined;
}

/** A page of the web as it was read. */
export interface WebPage {
  /** Null when it holds no text at all, as shells of scripts do. */
  readonly extracted: Extracted | null;
  /** What the page says of itself; null where its format has no place for it. */
  readonly facts: PageFacts | null;
  /** Whether the page is a shell that its scripts fill: a browser would show more. */
  readonly thin: boolean;
  /** What of a document was read that is longer than what is read of one; absent: all of it. */
  readonly part?: string;
}

/** Of a PDF of the web, so that even a slow machine reads it in the time that it has. */
const WEB_PDF_PAGES = 200;

/**
 * Turns bytes into the snapshot text and its passages. CPU-bound for HTML and PDF: run it in a worker thread.
 * @throws InvalidInput when the document cannot be read or holds no text
 */
export async function extract(raw: RawDocument): Promise<Extracted> {
  const { title, text } = await textOf(raw);
  return snapshotOf(title, text, raw.type);
}

async function textOf(raw: RawDocument): Promise<{ readonly title: string | null; readonly text: string }> {
  if (raw.type === 'pdf') return await pdfToText(raw.bytes);
  return raw.type === 'html' ? htmlOf(raw) : { title: null, text: decode(raw) };
}

/** Hostile and broken pages trip parsers in ways that nobody knows beforehand: that is the page's fault, and no bug. */
function htmlOf(raw: RawDocument): HtmlText {
  try {
    return htmlToText(decode(raw));
  } catch (error) {
    throw new InvalidInput([{ path: '', message: 'the HTML is so broken that it cannot be read' }], { cause: error });
  }
}

/**
 * As {@link extract}, with what a page of the web says of itself, and without a fault for a page that only scripts fill.
 * @throws InvalidInput when the document cannot be read, or holds no text and no scripts that would make some
 */
export async function readWebPage(raw: RawDocument): Promise<WebPage> {
  if (raw.type === 'pdf') {
    const { title, text, pages, pagesInAll } = await pdfToText(raw.bytes, WEB_PDF_PAGES);
    const extracted = snapshotOf(title === null ? null : visible(title), visible(text), raw.type);
    const part = pages < pagesInAll ? { part: `the first ${pages} of ${pagesInAll} pages` } : {};
    return { extracted, facts: null, thin: false, ...part };
  }
  if (raw.type !== 'html') {
    const { title, text } = await textOf(raw);
    const extracted = snapshotOf(title === null ? null : visible(title), visible(text), raw.type);
    return { extracted, facts: null, thin: false };
  }
  const { text, thin, ...facts } = htmlOf(raw);
  const empty = thin && text.trim() === '';
  return { extracted: empty ? null : snapshotOf(facts.title, text, 'html'), facts, thin };
}

function decode({ bytes, type, charset }: RawDocument): string {
  return new TextDecoder(charsetOf(bytes, type, charset)).decode(bytes);
}
