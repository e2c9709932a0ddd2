import { runInNewContext } from 'node:vm';
import { Ajv2020, type ErrorObject } from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';
import type { DraftOutput, OutputSchema } from '#domain';
import { isStorable } from './text.ts';

/** Longest schema, in characters of JSON. */
const mostCharacters = 50_000;

/** Deepest nesting: whoever checks or stores a schema goes down it by recursion. */
const mostLevels = 100;

/** A schema or a pattern in it that takes longer is refused: it would hold up everybody's runs. */
const limitMs = 1_000;

/** Faults told of one object: a model is helped by no longer list. */
const mostFaults = 20;

/**
 * Says why a JSON Schema (2020-12) cannot be used for the output of a run, or null. The root must be an object, and
 * `$ref` may point only inside.
 */
export function outputSchemaFault(schema: OutputSchema): string | null {
  const shape = shapeFault(schema);
  if (shape !== null) return shape;
  const { length } = JSON.stringify(schema);
  if (length > mostCharacters)
    return `the schema is too long (${length} characters); at most ${mostCharacters} can be used`;
  // Ajv would check such a schema later, and nobody would be there to hear of its faults.
  if ('$async' in schema) return 'the schema must not be one of ajv\'s asynchronous ones: leave "$async" out';
  if (schema['type'] !== 'object') return 'the schema must describe an object: give it "type": "object"';
  try {
    inTime(() => compile(schema));
    return null;
  } catch (error) {
    return `this is no usable JSON Schema (2020-12): ${error instanceof Error ? error.message : String(error)}`;
  }
}

/**
 * Says what of an output does not fit a schema, in words for its author: where, as a JSON Pointer, and what. Empty when
 * all fits. A check that takes more than a second counts as a fault.
 */
export function outputFaults(schema: OutputSchema, { value, citations }: DraftOutput): string[] {
  const lost = Object.keys(citations)
    .filter((path) => !has(value, path))
    .map((path) => `"citations" names "${path}", and the output has no such field`);
  try {
    const misfits = inTime(() => {
      const validate = compile(schema);
      return validate(value) ? [] : (validate.errors ?? []).map(inWords);
    });
    return [...misfits, ...lost].slice(0, mostFaults);
  } catch (error) {
    return [`It could not be checked: ${error instanceof Error ? error.message : String(error)}`];
  }
}

/** Level by level, for whatever comes from a client may be deeper than the stack. */
function shapeFault(schema: OutputSchema): string | null {
  let here: unknown[] = [schema];
  for (let level = 0; here.length > 0; level++) {
    if (level > mostLevels) return `the schema is too deep; at most ${mostLevels} levels can be used`;
    const entries = here.flatMap((one) => (typeof one === 'object' && one !== null ? Object.entries(one) : []));
    if (!entries.flat().every(isStorable)) return 'the schema holds a NUL character or half a surrogate pair';
    here = entries.map(([, value]) => value);
  }
  return null;
}

function compile(schema: OutputSchema) {
  // Unknown keywords are notes to the reader, as the standard has it.
  const ajv = new Ajv2020({ allErrors: true, strict: false, strictNumbers: true, logger: false });
  addFormats.default(ajv);
  return ajv.compile(schema);
}

/** Whether a JSON Pointer (RFC 6901) leads to something. */
function has(value: unknown, pointer: string): boolean {
  let here = value;
  for (const part of pointer.split('/').slice(1)) {
    const name = part.replaceAll('~1', '/').replaceAll('~0', '~');
    if (typeof here !== 'object' || here === null || !Object.hasOwn(here, name)) return false;
    if (Array.isArray(here) && !/^(?:0|[1-9]\d*)$/.test(name)) return false;
    here = Object.entries(here).find(([key]) => key === name)?.[1];
  }
  return true;
}

function inWords({ instancePath, message, params, keyword }: ErrorObject): string {
  const at = instancePath === '' ? 'The object' : `"${instancePath}"`;
  const extra = keyword === 'additionalProperties' ? `: "${params['additionalProperty']}"` : '';
  const allowed = keyword === 'enum' ? `: ${JSON.stringify(params['allowedValues'])}` : '';
  return `${at} ${message ?? `fails ${keyword}`}${extra}${allowed}`;
}

/** Patterns are regular expressions of whoever sent the schema: some never end. */
function inTime<T>(work: () => T): T {
  return runInNewContext('work()', { work }, { timeout: limitMs }) as T; // what `work` returns
}
