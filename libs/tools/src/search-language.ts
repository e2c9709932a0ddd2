/** Scripts that tell a language, in order: Japanese also writes Han. ISO 15924 names, ISO 639-1 codes. */
const BY_SCRIPT: readonly (readonly [RegExp, string])[] = [
  [/[\p{Script=Hiragana}\p{Script=Katakana}]/u, 'ja'],
  [/\p{Script=Hangul}/u, 'ko'],
  [/\p{Script=Han}/u, 'zh'],
  [/[ٹڈڑے]/u, 'ur'],
  [/[پچژگ]/u, 'fa'],
  [/\p{Script=Arabic}/u, 'ar'],
  [/\p{Script=Hebrew}/u, 'he'],
  [/\p{Script=Greek}/u, 'el'],
  [/\p{Script=Thai}/u, 'th'],
  [/\p{Script=Devanagari}/u, 'hi'],
  [/[іїєґ]/iu, 'uk'],
  [/\p{Script=Cyrillic}/u, 'ru'],
];

/**
 * The language that a query is most likely written in, where its script tells; undefined for Latin script, which tells
 * nothing, and where less than a third of the letters are of another (`what does 気 mean`).
 */
export function languageOf(query: string): string | undefined {
  const letters = query.match(/\p{L}/gu) ?? [];
  const latin = query.match(/\p{Script=Latin}/gu) ?? [];
  if ((letters.length - latin.length) * 3 < letters.length) return undefined;
  return BY_SCRIPT.find(([script]) => script.test(query))?.[1];
}
