/** Words of questions and texts, cut the same way wherever they are compared. Pure; English endings, CJK by pairs. */

const CJK = /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}]/u;
const COMPOUND_WORD = /\p{Ll}\p{Lu}|\p{Lu}\p{Lu}\p{Ll}|\p{L}\p{N}|\p{N}\p{L}/u;
const WORD = /[\p{L}\p{N}]+(?:[._$'’/:-][\p{L}\p{N}]+|[._$])*/gu;

/** Parts of an identifier: at case changes, digits, `_`, `.` and other marks. */
export function splitIdentifier(word: string): string[] {
  return word
    .replace(/(\p{Ll})(\p{Lu})/gu, '$1 $2')
    .replace(/(\p{Lu})(\p{Lu}\p{Ll})/gu, '$1 $2')
    .replace(/(\p{L})(\p{N})/gu, '$1 $2')
    .replace(/(\p{N})(\p{L})/gu, '$1 $2')
    .split(/[^\p{L}\p{N}]+/u)
    .filter((part) => part !== '');
}

/** The words of a question as written, each once, first seen first; a run of CJK characters gives its pairs. */
export function wordsOf(question: string): string[] {
  const words = new Map<string, string>();
  for (const match of question.normalize('NFC').matchAll(WORD)) {
    for (const word of CJK.test(match[0]) ? cjkPairs(match[0]) : [match[0]]) {
      const bare = word.replace(/['’]s$/u, '').replace(/[._$]+$/u, '');
      if (bare !== '') words.set(bare.toLowerCase(), words.get(bare.toLowerCase()) ?? bare);
    }
  }
  return [...words.values()];
}

/** English words that say nothing about a subject. */
const STOP_WORDS: ReadonlySet<string> = new Set(
  `a about after all also am an and any are as at be because been before being between both but by can could did do does
  doing during each few for from further had has have having he her here hers him his how i if in into is it its just me
  more most my no nor not of off on once only or other our out over own please same she should so some such tell than that
  the their them then there these they this those through to too under until up very was we were what when where which
  while who whom why will with would you your explain describe`.split(/\s+/),
);

/** The words of a question that carry its subject; all of them where nothing else is left. */
export function subjectWords(question: string): string[] {
  const words = wordsOf(question);
  const telling = words.filter((word) => !STOP_WORDS.has(word.toLowerCase()));
  return telling.length > 0 ? telling : words;
}

/** Stems for counting inside one page: lower case, without marks, identifiers in parts and whole, plain English endings off. */
export function stems(text: string): string[] {
  const found: string[] = [];
  for (const match of text.matchAll(/[\p{L}\p{N}]+/gu)) {
    const word = match[0];
    if (CJK.test(word)) found.push(...cjkPairs(word));
    else {
      found.push(stem(word));
      const parts = COMPOUND_WORD.test(word) ? splitIdentifier(word) : [];
      if (parts.length > 1) found.push(...parts.map(stem));
    }
  }
  return found;
}

function stem(word: string): string {
  const lower = word.normalize('NFKD').replace(/\p{M}/gu, '').toLowerCase();
  if (lower.length > 5 && /(?:ing|ied|ies)$/.test(lower)) return lower.slice(0, -3);
  if (lower.length > 4 && /(?:ed|es)$/.test(lower)) return lower.slice(0, -2);
  return lower.length > 3 && /[^s]s$/.test(lower) ? lower.slice(0, -1) : lower.replace(/(?<=.{3})e$/, '');
}

function cjkPairs(word: string): string[] {
  const pairs: string[] = [];
  for (const run of word.match(
    /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}]+|[^\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}]+/gu,
  ) ?? []) {
    const letters = [...run];
    if (!CJK.test(run) || letters.length < 3) pairs.push(run);
    else for (let i = 0; i + 1 < letters.length; i++) pairs.push(`${letters[i]}${letters[i + 1]}`);
  }
  return pairs;
}

/** Share of the smaller of two sets of words that the other one has, 0 to 1: near 1 when one text repeats the other. */
export function overlap(a: ReadonlySet<string>, b: ReadonlySet<string>): number {
  const [small, large] = a.size < b.size ? [a, b] : [b, a];
  let shared = 0;
  for (const word of small) if (large.has(word)) shared++;
  return shared / Math.max(1, small.size);
}
