import { hash } from 'node:crypto';
import { InvalidInput } from '#errors';
import { mainHeading } from './blocks.ts';
import { type DocumentType, type Extracted, normaliseLines, type Span } from './document.ts';
import { htmlToText } from './html.ts';
import { splitPassages } from './passages.ts';
import { pdfToText } from './pdf.ts';

/** A document as it came. `charset` is what its sender declared, if it did. */
export interface RawDocument {
  readonly bytes: Uint8Array;
  readonly type: DocumentType;
  readonly charset?: string | undefined;
}

/**
 * Turns bytes into the snapshot text and its passages. CPU-bound for HTML and PDF: run it in a worker thread.
 * @throws InvalidInput when the document cannot be read or holds no text
 */
export async function extract(raw: RawDocument): Promise<Extracted> {
  switch (raw.type) {
    case 'pdf': {
      const { title, text } = await pdfToText(raw.bytes);
      return finish(title, normaliseLines(text), 'pdf');
    }
    case 'html': {
      const { title, text } = htmlToText(decode(raw.bytes, raw.charset ?? declaredCharset(raw.bytes)));
      return finish(title, normaliseLines(text), 'html');
    }
    default:
      return extractText(decode(raw.bytes, raw.charset), raw.type);
  }
}

/** The part of {@link extract} for documents that are text already: cheap and synchronous. */
export function extractText(content: string, type: DocumentType): Extracted {
  return finish(null, normaliseLines(content), type);
}

function finish(named: string | null, text: string, type: DocumentType): Extracted {
  const spans = splitPassages(text, type);
  if (spans.length === 0) throw new InvalidInput([{ path: '', message: 'it holds no text' }]);
  const heading = headingOf(text, type, spans);
  const title = named ?? heading;
  const bare = heading === null ? spans : spans.map((span) => withoutTitle(span, heading, title));
  return { title, text, sha256: hash('sha256', text), bytes: Buffer.byteLength(text), spans: bare };
}

/** The heading that names the whole document. */
function headingOf(text: string, type: DocumentType, spans: readonly Span[]): string | null {
  if (type === 'markdown' || type === 'html') return mainHeading(text);
  return type === 'rst' ? (spans.find((span) => span.headings.length > 0)?.headings[0] ?? null) : null;
}

/** A page's title often is its main heading with the site's name added: neither is repeated above each passage. */
function withoutTitle(span: Span, heading: string, title: string | null): Span {
  const repeats = span.headings[0] === heading && title !== null && title.includes(heading);
  return repeats ? { ...span, headings: span.headings.slice(1) } : span;
}

function decode(bytes: Uint8Array, charset: string | undefined): string {
  try {
    return new TextDecoder(charset ?? 'utf-8').decode(bytes);
  } catch {
    return new TextDecoder('utf-8').decode(bytes);
  }
}

/** The charset that an HTML page names in its first kilobyte. */
export function declaredCharset(bytes: Uint8Array): string | undefined {
  const head = Buffer.from(bytes.buffer, bytes.byteOffset, Math.min(bytes.byteLength, 1_024)).toString('latin1');
  return /<meta[^>]+charset\s*=\s*["']?([\w-]+)/i.exec(head)?.[1];
}
