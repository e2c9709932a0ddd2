import type { SourceDocument, ToolFault } from '#domain';
import type { EgressResponse } from '#egress';
import { type DocumentType, typeOfName } from './text/document.ts';
import type { RawDocument } from './text/extract.ts';
import type { PageFacts } from './text/facts.ts';

export const ACCEPT =
  'text/html,application/xhtml+xml,text/markdown;q=0.9,text/plain;q=0.9,application/json;q=0.8,application/pdf;q=0.8,*/*;q=0.1';

/** HTML past this many bytes is left out: extraction costs seconds per megabyte. */
const HTML_BYTES = 2 * 1024 * 1024;

/** Why a reply's status makes it no page; null for 2xx. @param now epoch ms, for a Retry-After that is a date */
export function statusFault({ status, headers, url }: EgressResponse, now: number): ToolFault | null {
  if (status >= 200 && status < 300) return null;
  const told = `${hostOf(url)} answered ${status}`;
  if (status === 429) {
    const retryAfterMs = retryAfter(headers['retry-after'], now);
    const fault = { kind: 'quota', message: `${told}: too many requests; try again later.` } as const;
    return retryAfterMs === null ? fault : { ...fault, retryAfterMs };
  }
  if ([401, 403, 407, 451].includes(status))
    return { kind: 'blocked', message: `${told}: the page is not open to us.` };
  if (status >= 500 || status === 408 || status === 425) {
    return { kind: 'transient', message: `${told}: the site has a fault; the page may be there later.` };
  }
  const gone =
    status === 404 || status === 410 ? 'there is no such page; check the address.' : 'the request was refused.';
  return { kind: 'invalid', message: `${told}: ${gone}` };
}

/** A body as a document to read, or why its type is not one that is read. */
export function documentOf(page: EgressResponse): RawDocument | ToolFault {
  const [mime = '', ...parameters] = page.contentType.toLowerCase().split(';');
  const charset = parameters.map((p) => /^\s*charset\s*=\s*"?([\w-]+)/.exec(p)?.[1]).find((c) => c !== undefined);
  const type = typeOf(mime.trim(), page);
  if (type === null) {
    const message = `The page is ${mime.trim() || 'of an unknown type'}; read are HTML, plain text, Markdown, JSON and PDF.`;
    return { kind: 'invalid', message };
  }
  const bytes = type === 'html' ? page.body.subarray(0, HTML_BYTES) : page.body;
  return { bytes, type, charset };
}

function typeOf(mime: string, { url, body }: EgressResponse): DocumentType | null {
  const head = Buffer.from(body.buffer, body.byteOffset, Math.min(body.byteLength, 512)).toString('latin1').trimStart();
  // The bytes decide over a sender that calls a PDF octet-stream, or an error page a PDF.
  if (head.startsWith('%PDF-')) return 'pdf';
  const named = typeOfName(new URL(url).pathname);
  if (mime === 'text/html' || mime === 'application/xhtml+xml') return 'html';
  if (mime === 'text/markdown' || mime === 'text/x-markdown') return 'markdown';
  if (/^(?:application|text)\/(?:[\w.-]+\+)?(?:json|xml|yaml|javascript|typescript|toml)$/.test(mime)) return 'code';
  const isText = mime.startsWith('text/');
  if (isText) return named === null || named === 'pdf' || named === 'html' ? 'plain' : named;
  if (mime !== '' && mime !== 'application/octet-stream') return null;
  if (/^<(?:!doctype html|html)/i.test(head)) return 'html';
  return named === 'pdf' || body.includes(0) ? null : named;
}

/** What a page says of itself, for its source. @param url where it was read: an address of its own may be relative */
export function toldBy(
  { published, modified, language, canonical }: PageFacts,
  url: string,
): Pick<SourceDocument, 'published' | 'modified' | 'language' | 'canonical'> {
  const own = canonical === null ? null : URL.parse(canonical, url);
  return {
    ...(published !== null && { published }),
    ...(modified !== null && { modified }),
    ...(language !== null && { language }),
    ...(own && /^https?:$/.test(own.protocol) && { canonical: own.href }),
  };
}

function retryAfter(value: string | undefined, now: number): number | null {
  if (value === undefined) return null;
  if (/^\d+$/.test(value.trim())) return Number(value) * 1_000;
  const at = Date.parse(value);
  return Number.isNaN(at) ? null : Math.max(0, at - now);
}

function hostOf(url: string): string {
  return URL.canParse(url) ? new URL(url).host : url;
}
