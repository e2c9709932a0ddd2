/** Grammars of replies, as the contract of inference groups has them. */
import type { inference } from '#contracts/rpc';

type Grammar = inference.Grammar;

/** This text. */
export function literal(value: string): Grammar {
  return { part: { $case: 'literal', value } };
}

/** A JSON value. What of the schema an engine does not know, it passes over: whoever reads the reply checks all of it. */
export function jsonValue(schema: Readonly<Record<string, unknown>>, ...without: readonly string[]): Grammar {
  return { part: { $case: 'json', value: { jsonSchema: JSON.stringify(schema), loose: true, without: [...without] } } };
}

/** Anchored at both ends. */
export function regex(value: string): Grammar {
  return { part: { $case: 'regex', value } };
}

/** At least one character, and none of these strings. */
export function words(...without: readonly string[]): Grammar {
  return { part: { $case: 'text', value: { minCharacters: 1, maxCharacters: 0, without: [...without] } } };
}

/** One behind the other. */
export function sequence(...parts: readonly Grammar[]): Grammar {
  return { part: { $case: 'sequence', value: { parts: [...parts] } } };
}

/** One of them. */
export function choice(...parts: readonly Grammar[]): Grammar {
  return { part: { $case: 'choice', value: { parts: [...parts] } } };
}

/** Again and again. */
export function repeated(part: Grammar, minTimes: number, maxTimes: number): Grammar {
  return { part: { $case: 'repetition', value: { part, minTimes, maxTimes } } };
}
