import { stems, subjectWords } from '#domain';

/** One thing that a question asks for. */
export interface Aspect {
  /** The question's own words. */
  readonly text: string;
  /** What to search for: the text, and the subject of an earlier aspect where this one only points back to it. */
  readonly query: string;
}

/** Aspects that are looked after one by one. */
const mostAspects = 4;

/** Begins another question after a conjunction or a full stop. */
const asks =
  /^(?:(?:and|or|but|also|then)\s+)*(?:how|what|which|when|where|why|who|whom|whose|can|could|does|do|did|is|are|was|were|should|would|will|has|have|may|must|if)\b/i;

/** A conjunction before another question: ", and which ...". */
const conjunction =
  /[,;:]?\s+(?:and|or|but)\s+(?=(?:also\s+)?(?:how|what|which|when|where|why|who|can|could|does|do|is|are|should|would|will|may|must|if)\b)/i;

/** Words that point back to what was said before. */
const pointsBack = /\b(?:it|its|they|them|their|that|this|these|those|one|there|so)\b/i;

/**
 * Splits a question into what it asks for. Sentences that ask nothing are background and belong to the question after
 * them, or to the last one.
 * @returns one to four aspects
 */
export function aspectsOf(question: string): Aspect[] {
  const parts = sentences(question).flatMap((sentence) => sentence.split(conjunction));
  const merged: string[] = [];
  let background = '';
  for (const part of parts.map((text) => text.trim()).filter((text) => text !== '')) {
    const text = background === '' ? part : `${background} ${part}`;
    background = '';
    if (asks.test(part) && saysSomething(part)) merged.push(text);
    else if (merged.length > 0 && !asks.test(part)) merged[merged.length - 1] += ` ${text}`;
    else background = text;
  }
  if (background !== '') {
    if (merged.length > 0) merged[merged.length - 1] += ` ${background}`;
    else merged.push(background);
  }
  return withContext(merged.slice(0, mostAspects));
}

function sentences(text: string): string[] {
  return text.split(/(?<=[.?!])\s+/);
}

function saysSomething(text: string): boolean {
  return subjectWords(text).filter((word) => word.length > 2 && !asks.test(word)).length >= 2;
}

/** "which option changes it" alone finds nothing: it takes the first aspect's subject along. */
function withContext(texts: readonly string[]): Aspect[] {
  const [first = ''] = texts;
  const context = subjectWords(first);
  return texts.map((text, index) => {
    const own = new Set(subjectWords(text).flatMap(stems));
    const leans = index > 0 && (pointsBack.test(text) || own.size < 4);
    const missing = leans ? context.filter((word) => !stems(word).some((stem) => own.has(stem))) : [];
    return { text, query: [text, ...missing].join(' ') };
  });
}
