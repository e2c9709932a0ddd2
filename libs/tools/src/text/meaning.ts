import { splitIdentifier, subjectWords } from '#domain';
import { loadWordVectors } from './word-vectors.ts';

/** The direction in which a text points, as signed bytes: 127 times a vector of length 1 or less. */
export type Meaning = Int8Array;

const WORDS = /[\p{L}\p{N}_]+/gu;

/** What the title and headings above a passage count beside its own text. */
const headingShare = 0.25;

/** The meaning of a passage under its title and headings. Cost: one table look-up a word. */
export function passageMeaning(above: readonly string[], body: string): Meaning {
  const vectors = loadWordVectors();
  const own = vectors.embed(wordsIn(body));
  const heading = vectors.embed(above.flatMap(wordsIn));
  return Int8Array.from(own, (value, i) =>
    Math.round(127 * ((1 - headingShare) * value + headingShare * (heading[i] ?? 0))),
  );
}

/** The meaning of a question: its words once all, once only those that carry its subject; zeros when none is known. */
export function questionMeaning(question: string): Meaning {
  const vectors = loadWordVectors();
  const all = vectors.embed(wordsIn(question));
  const subject = vectors.embed(subjectWords(question).flatMap(wordsIn));
  return Int8Array.from(all, (value, i) => Math.round((127 * (value + (subject[i] ?? 0))) / 2));
}

function wordsIn(text: string): string[] {
  return (text.match(WORDS) ?? []).flatMap((word) => splitIdentifier(word).map((part) => part.toLowerCase()));
}
