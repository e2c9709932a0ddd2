import { hash } from 'node:crypto';
import { InvalidInput } from '#errors';
import { mainHeading } from './blocks.ts';
import { type DocumentType, type Extracted, normaliseText, type Span } from './document.ts';
import { splitPassages } from './passages.ts';

/** The snapshot of a document that is text already: cheap and synchronous. @throws InvalidInput when it holds none */
export function extractText(content: string, type: DocumentType): Extracted {
  return snapshotOf(null, content, type);
}

/**
 * The snapshot of a text that was taken out of a document. @throws InvalidInput when it holds none
 * @param named the title that the document itself gives, null when it gives none
 */
export function snapshotOf(named: string | null, content: string, type: DocumentType): Extracted {
  const text = normaliseText(content);
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
  const repeats = span.headings[0] === heading && title?.toLowerCase().includes(heading.toLowerCase());
  return repeats ? { ...span, headings: span.headings.slice(1) } : span;
}
