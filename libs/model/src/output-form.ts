/** Asks OpenAI-compatible servers to hold the object that a run's schema wants to its form. */
import type { OutputSchema } from '#domain';
import { isRecord } from './argument-faults.ts';

/** The field of the request that a server takes a JSON Schema in: OpenAI's, or vLLM's own since 0.12. */
export type OutputField = 'response_format' | 'structured_outputs';

/** The fields of a request whose reply is nothing but the object with its citations. */
export function outputFields(field: OutputField, schema: OutputSchema): Readonly<Record<string, unknown>> {
  const json = replySchema(schema);
  switch (field) {
    case 'response_format':
      return { response_format: { type: 'json_schema', json_schema: { name: 'output', schema: json } } };
    case 'structured_outputs':
      return { structured_outputs: { json } };
  }
}

const text = { type: 'string' };
const quoted = {
  type: 'object',
  properties: { source: text, quote: text },
  required: ['source', 'quote'],
  additionalProperties: false,
};

function replySchema(schema: OutputSchema): Readonly<Record<string, unknown>> {
  return {
    type: 'object',
    properties: {
      output: moved(schema, '#/properties/output'),
      citations: { type: 'object', additionalProperties: { type: 'array', items: quoted } },
    },
    required: ['output', 'citations'],
    additionalProperties: false,
  };
}

/** What stands there is a value and no schema. */
const VALUES: ReadonlySet<string> = new Set(['const', 'default', 'enum', 'examples']);

/** A schema that stands deeper now: its references follow it. */
function moved(schema: unknown, to: string): unknown {
  if (Array.isArray(schema)) return schema.map((one: unknown) => moved(one, to));
  if (!isRecord(schema)) return schema;
  return Object.fromEntries(
    Object.entries(schema).map(([word, value]) => {
      if (word === '$ref' && typeof value === 'string' && value.startsWith('#'))
        return [word, `${to}${value.slice(1)}`];
      return [word, VALUES.has(word) ? value : moved(value, to)];
    }),
  );
}
