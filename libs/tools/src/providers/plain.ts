import { z } from 'zod';
import { canonicalUrl } from '../canonical-url.ts';
import { visible } from '../text/unseen.ts';

/** Longest title, and longest text that a hit is told by, in characters. */
const LONGEST = { title: 300, snippet: 600 };

/** Anything that a provider may say in the place of words. */
export const words = z.string().nullish();

const TAG = /<\/?[a-z][^<>]{0,300}>|<!--.{0,300}?-->/gi;
const BLOCK = /^<\/?(?:jats:)?(?:p|br|title|sec|li|list|div|h\d)\b/i;
const ENTITY = /&(?:#(\d{1,7})|#x([0-9a-f]{1,6})|(amp|lt|gt|quot|apos|nbsp));/gi;
const NAMED: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'", nbsp: ' ' };

/** Words of a provider as one line of plain text: no markup, no characters that nobody sees. Cost O(length). */
export function plainText(html: string | null | undefined): string {
  const untagged = (html ?? '').replace(TAG, (tag) => (BLOCK.test(tag) ? ' ' : ''));
  return oneLine(untagged.replace(ENTITY, decoded));
}

/** Text that never was markup as one line, without characters that nobody sees. */
export function oneLine(text: string | null | undefined): string {
  return visible((text ?? '').toWellFormed().normalize('NFC'))
    .replace(/[\t\n\v\f\r]+/g, ' ')
    .replace(/\p{Cc}/gu, '')
    .replace(/\s+/g, ' ')
    .trim();
}

function decoded(entity: string, decimal?: string, hex?: string, name?: string): string {
  if (name !== undefined) return NAMED[name.toLowerCase()] ?? entity;
  const code = decimal === undefined ? Number.parseInt(hex ?? '', 16) : Number(decimal);
  return code > 0 && code <= 0x10ffff ? String.fromCodePoint(code) : '';
}

/** What every hit consists of; null where the provider names no page that could be visited. */
export function hitOf(found: {
  readonly url: string | null | undefined;
  readonly title?: string | null | undefined;
  readonly snippet?: string | null | undefined;
  readonly published?: string | null | undefined;
  /** Its words hold no markup, and what looks like it is meant: `a <b> c`. Default: false. */
  readonly isPlain?: boolean;
}) {
  const url = canonicalUrl(found.url ?? '');
  if (url === null) return null;
  const read = found.isPlain === true ? oneLine : plainText;
  const title = clipped(read(found.title), LONGEST.title) || new URL(url).host;
  return { url, title, snippet: clipped(read(found.snippet), LONGEST.snippet), published: isoDate(found.published) };
}

/** At most `length` characters, cut between words where there are any. */
export function clipped(text: string, length: number): string {
  if (text.length <= length) return text;
  const cut = text
    .slice(0, length - 1)
    .toWellFormed()
    .replace(/\ufffd$/, '');
  return `${cut.replace(/\s+\S{0,40}$/, '')}…`;
}

/**
 * The day, month or year that a text names; null for none, and for ages such as "3 days ago". Providers write ISO 8601,
 * `Mar 5, 2024` or RFC 2822.
 */
export function isoDate(text: string | null | undefined): string | null {
  const iso = /^(\d{4})(?:-(0[1-9]|1[0-2])(?:-(0[1-9]|[12]\d|3[01]))?)?(?=$|[T ])/.exec(text?.trim() ?? '');
  if (iso) return [iso[1], iso[2], iso[3]].filter((part) => part !== undefined).join('-');
  if (!text || !/\b\d{4}\b/.test(text) || text.length > 40) return null;
  const at = Date.parse(/\d:\d/.test(text) ? text : `${text} UTC`);
  return Number.isNaN(at) ? null : new Date(at).toISOString().slice(0, 10);
}
