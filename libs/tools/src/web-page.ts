import type { SourceDocument, ToolFault } from '#domain';
import type { EgressResponse } from '#egress';
import { retryAfterMs } from './retry-after.ts';
import { natureOf } from './sniff.ts';
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
    const wait = retryAfterMs(headers['retry-after'], now);
    const fault = { kind: 'quota', message: `${told}: too many requests; try again later.` } as const;
    return wait === null ? fault : { ...fault, retryAfterMs: wait };
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

/** A body as a document to read, or why it is none: its bytes decide over what its sender says of it. */
export function documentOf(page: EgressResponse): RawDocument | ToolFault {
  const [sent = '', ...parameters] = page.contentType.toLowerCase().split(';');
  const charset = parameters.map((p) => /^\s*charset\s*=\s*"?([\w-]+)/.exec(p)?.[1]).find((c) => c !== undefined);
  const mime = sent.trim();
  const nature = natureOf(page.body);
  if (nature.kind === 'binary') return unreadable(nature.name, mime);
  const type = nature.kind === 'pdf' ? 'pdf' : typeOf(mime, page.url, nature.kind);
  if (type === null) return unreadable(mime === 'application/pdf' ? 'no PDF' : `of the type ${mime}`, mime);
  const bytes = type === 'html' ? page.body.subarray(0, HTML_BYTES) : page.body;
  return { bytes, type, charset };
}

function unreadable(what: string, mime: string): ToolFault {
  const sentAs = mime === '' || what.includes(mime) ? '' : `, sent as ${mime}`;
  const message = `The page is ${what}${sentAs}; read are HTML, plain text, Markdown, JSON and PDF.`;
  return { kind: 'invalid', message };
}

/** The type of a body that is text. @param kind what its first bytes are */
function typeOf(mime: string, url: string, kind: 'html' | 'text'): DocumentType | null {
  if (mime === 'text/html' || mime === 'application/xhtml+xml') return 'html';
  // The error page of a site that has no such PDF.
  if (mime === 'application/pdf') return kind === 'html' ? 'html' : null;
  if (mime === 'text/markdown' || mime === 'text/x-markdown') return 'markdown';
  if (/^(?:application|text)\/(?:[\w.-]+\+)?(?:json|xml|yaml|javascript|typescript|toml)$/.test(mime)) return 'code';
  const named = typeOfName(new URL(url).pathname);
  if (mime.startsWith('text/')) return named === null || named === 'pdf' || named === 'html' ? 'plain' : named;
  if (mime !== '' && mime !== 'application/octet-stream') return null;
  return kind === 'html' ? 'html' : named === 'pdf' || named === null ? 'plain' : named;
}

/** A page of the web is not asked for again before this, however fresh its site wants it; any page is after this. */
export const LEAST_KEEP_MS = 5 * 60_000;
export const MOST_KEEP_MS = 24 * 3_600_000;
const USUAL_KEEP_MS = 3_600_000;

/**
 * How long others may be given a page, in milliseconds: as its headers say (RFC 9111 4.2), between `leastMs` and a day; one
 * hour where they say nothing. Nobody's own answer is among them: pages are asked for without cookies or keys.
 * @param now epoch ms, for an `Expires`
 */
export function keepMsOf(headers: EgressResponse['headers'], now: number, leastMs: number): number {
  const control = headers['cache-control']?.toLowerCase() ?? '';
  const seconds = /(?:^|[\s,])max-age\s*=\s*"?(\d{1,10})/.exec(control)?.[1];
  const age = Number(headers['age']) || 0;
  const expires = Date.parse(headers['expires'] ?? '');
  const fresh = /no-(?:store|cache)/.test(control)
    ? 0
    : seconds !== undefined
      ? (Number(seconds) - age) * 1_000
      : headers['expires'] === undefined
        ? USUAL_KEEP_MS
        : expires - now || 0;
  return Math.min(MOST_KEEP_MS, Math.max(leastMs, fresh));
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

function hostOf(url: string): string {
  return URL.canParse(url) ? new URL(url).host : url;
}
