import { subjectWords } from '#domain';
import { loadWordVectors, vectorWords } from './word-vectors.ts';

/** The direction in which a text points, as signed bytes: 127 times a vector of length 1 or less. */
export type Meaning = Int8Array;

/** What the title and headings above a passage count beside its own text. */
const headingShare = 0.35;

/** The meaning of a passage under its title and headings. Cost: one table look-up a word. */
export function passageMeaning(above: readonly string[], body: string): Meaning {
  const vectors = loadWordVectors();
  const own = vectors.embed(vectorWords(body));
  const heading = vectors.embed(above.flatMap(vectorWords));
  return Int8Array.from(own, (value, i) =>
    Math.round(127 * ((1 - headingShare) * value + headingShare * (heading[i] ?? 0))),
  );
}

/** The meaning of a question: its words once all, once only those that carry its subject; zeros when none is known. */
export function questionMeaning(question: string): Meaning {
  const vectors = loadWordVectors();
  const all = vectors.embed(vectorWords(question));
  const subject = vectors.embed(subjectWords(question).flatMap(vectorWords));
  return Int8Array.from(all, (value, i) => Math.round((127 * (value + (subject[i] ?? 0))) / 2));
}
