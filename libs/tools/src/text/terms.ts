/** Forms of words that only the full-text index knows; how words are cut is the domain's (`words.ts`). */

import { splitIdentifier } from '#domain';

const CJK = /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}]/u;
const CJK_EACH = /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}]/gu;
// Each starts at a word's beginning only and reads on lazily: linear in the text, and half of the cost of indexing.
const COMPOUND =
  /(?<![\p{L}\p{N}])[\p{L}\p{N}]*?(?:\p{Ll}\p{Lu}|\p{Lu}\p{Lu}\p{Ll}|\p{L}\p{N}|\p{N}\p{L})[\p{L}\p{N}]*/gu;
const ASCII_COMPOUND =
  /(?<![A-Za-z0-9])[A-Za-z0-9]*?(?:[a-z][A-Z]|[A-Z][A-Z][a-z]|[A-Za-z][0-9]|[0-9][A-Za-z])[A-Za-z0-9]*/g;
// biome-ignore lint/suspicious/noControlCharactersInRegex: all of ASCII is meant
const ASCII = /^[\x00-\x7f]*$/;
const BROKEN_WORD = /(\p{Ll}{2,})-\n\s*(\p{Ll}{2,})/gu;

/**
 * The form of a text that goes into the full-text index: CJK characters apart, and after the text the parts of each
 * camelCase word (`removeOnComplete` -> `remove On Complete`; the index itself parts at `_` and `.`) and words that a
 * line end broke. They come last so that phrases of the text stay adjacent. Cost O(length).
 */
export function indexText(text: string): string {
  const ascii = ASCII.test(text);
  const compounds = new Set(text.match(ascii ? ASCII_COMPOUND : COMPOUND));
  const extra = Array.from(compounds, partsOf);
  if (text.includes('-\n')) for (const match of text.matchAll(BROKEN_WORD)) extra.push(`${match[1]}${match[2]}`);
  const spaced = ascii ? text : spaceCjk(text);
  return extra.length > 0 ? `${spaced}\n${extra.join('\n')}` : spaced;
}

/** Identifiers come again and again: their parts are kept until there are too many. */
const knownParts = new Map<string, string>();
const MOST_KNOWN = 50_000;

function partsOf(word: string): string {
  const known = knownParts.get(word);
  if (known !== undefined) return known;
  if (knownParts.size >= MOST_KNOWN) knownParts.clear();
  const parts = splitIdentifier(word).join(' ');
  knownParts.set(word, parts);
  return parts;
}

/**
 * A term as an FTS5 string: nothing in it can act as query syntax. Words of one term must stand side by side.
 * Null when it holds no letter or digit.
 */
export function quoteTerm(term: string): string | null {
  if (!/[\p{L}\p{N}]/u.test(term)) return null;
  return `"${spaceCjk(term.replaceAll('\0', ' ')).replaceAll('"', '""').trim()}"`;
}

/** One word and the other ways to write it: an identifier also as its parts, side by side. */
export function spellings(word: string): string[] {
  const parts = splitIdentifier(word);
  return parts.length > 1 && parts.join('') === word.replace(/[^\p{L}\p{N}]/gu, '') && parts.join(' ') !== word
    ? [word, parts.join(' ')]
    : [word];
}

function spaceCjk(text: string): string {
  return CJK.test(text) ? text.replace(CJK_EACH, ' $& ') : text;
}
