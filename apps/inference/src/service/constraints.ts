/** What a request holds its reply to. */
import type { inference } from '#contracts/rpc';
import { InvalidInput, type Problem } from '#errors';
import type { Constraint, Held } from '#moe';

/** Deeper ones are refused before they are read. */
const MOST_LEVELS = 32;
const MOST_REASONING = 2 ** 31;

/** As the generated code has it. */
type Asked = Pick<inference.GenerateRequest, 'constraint' | 'maxReasoningTokens'>;

/** @throws InvalidInput naming what is missing; whether a construct is supported is found where it is compiled */
export function heldOf({ constraint, maxReasoningTokens }: Asked): Pick<Held, 'constraint' | 'reasoningTokens'> | null {
  const reasoningTokens = maxReasoningTokens ?? null;
  if (reasoningTokens !== null && reasoningTokens > MOST_REASONING) {
    throw fault('max_reasoning_tokens', `must be at most ${MOST_REASONING}, but is ${reasoningTokens}`);
  }
  if (constraint !== undefined) return { constraint: constraintOf(constraint), reasoningTokens };
  return reasoningTokens === null ? null : { constraint: null, reasoningTokens };
}

function constraintOf(asked: NonNullable<Asked['constraint']>): NonNullable<Held['constraint']> {
  switch (asked.$case) {
    case 'jsonSchema': {
      const path = 'json_schema';
      if (asked.value === '') throw fault(path, 'is empty: give a JSON Schema as its text, {} for any value');
      return { path, form: { kind: 'json', schema: asked.value, loose: false, without: [] } };
    }
    case 'regex':
      return { path: 'regex', form: { kind: 'regex', pattern: asked.value } };
    case 'choice': {
      const parts = asked.value.options.map((text): Constraint => ({ kind: 'literal', text }));
      return { path: 'choice', form: { kind: 'choice', parts } };
    }
    case 'grammar':
      return { path: 'grammar', form: formOf(asked.value, 'grammar', 0) };
  }
}

function formOf(grammar: inference.Grammar | undefined, path: string, level: number): Constraint {
  const { part } = grammar ?? {};
  if (level > MOST_LEVELS) throw fault(path, `is nested deeper than ${MOST_LEVELS} levels`);
  switch (part?.$case) {
    case undefined:
      throw fault(path, 'is empty: give one of literal, json, regex, text, sequence, choice, repetition');
    case 'literal':
      return { kind: 'literal', text: part.value };
    case 'json': {
      const { jsonSchema: schema, loose, without } = part.value;
      return { kind: 'json', schema, loose, without };
    }
    case 'regex':
      return { kind: 'regex', pattern: part.value };
    case 'text': {
      const { minCharacters: least, maxCharacters: most, without } = part.value;
      return { kind: 'text', least, most, without };
    }
    case 'sequence':
    case 'choice':
      return { kind: part.$case, parts: part.value.parts.map((one, i) => formOf(one, `${path}[${i}]`, level + 1)) };
    case 'repetition': {
      const { part: again, minTimes: least, maxTimes: most } = part.value;
      return { kind: 'repetition', part: formOf(again, `${path}.part`, level + 1), least, most };
    }
  }
}

function fault(path: string, message: string): InvalidInput {
  const problem: Problem = { path, message };
  return new InvalidInput([problem]);
}
