/** Ideographs, kana and Hangul of the basic plane, with their punctuation and full-width forms. */
const CJK = /[\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff\uff00-\uffef]/g;
const CHARACTERS_PER_TOKEN = 4;
const CJK_PER_TOKEN = 1.5;

/**
 * Estimated tokens of a text, a fraction: a Chinese, Japanese or Korean character is 1 / 1.5, any other UTF-16 unit 1 / 4.
 * Rough for code, tables and numbers, which have more tokens than that. Cost O(characters).
 */
export function tokenWeight(text: string): number {
  const cjk = text.match(CJK)?.length ?? 0;
  return cjk / CJK_PER_TOKEN + (text.length - cjk) / CHARACTERS_PER_TOKEN;
}
