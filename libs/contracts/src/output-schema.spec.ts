import { describe, expect, it } from '@jest/globals';
import { outputFaults, outputSchemaFault } from './output-schema.ts';

const schema = {
  type: 'object',
  properties: { year: { type: 'integer' }, names: { type: 'array', items: { type: 'string' } } },
  required: ['year'],
  additionalProperties: false,
};
/** An object in an object in an object ... */
function deep(levels: number): Record<string, unknown> {
  let schema: Record<string, unknown> = { type: 'object' };
  for (let level = 0; level < levels; level++) schema = { type: 'object', properties: { a: schema } };
  return schema;
}

const faults = (value: unknown, citations = {}) => outputFaults(schema, { value, citations });

describe('outputSchemaFault', () => {
  it('takes a schema of an object, with notes that nobody knows', () => {
    expect(outputSchemaFault({ ...schema, $comment: 'x', title: 'A year', 'x-order': 1 })).toBeNull();
    expect(
      outputSchemaFault({ type: 'object', $defs: { a: { type: 'string' } }, properties: { a: { $ref: '#/$defs/a' } } }),
    ).toBeNull();
  });

  it.each([
    ['no object', { type: 'array' }, /"type": "object"/],
    ['a type that does not exist', { type: 'object', properties: { a: { type: 'text' } } }, /no usable JSON Schema/],
    ['a reference to elsewhere', { type: 'object', properties: { a: { $ref: 'https://example.org/s' } } }, /reference/],
    ['an asynchronous one', { type: 'object', $async: true, required: ['a'] }, /\$async/],
    ['a pattern that is none', { type: 'object', properties: { a: { pattern: '(' } } }, /no usable JSON Schema/],
    ['deeper than anybody writes', deep(20_000), /too deep/],
    ['more than anybody writes', { type: 'object', description: 'x'.repeat(50_001) }, /at most 50000/],
  ])('refuses %s', (_what, bad, why) => {
    expect(outputSchemaFault(bad)).toMatch(why);
  });
});

describe('outputFaults', () => {
  it('are none where all fits', () => {
    expect(faults({ year: 1911, names: ['Thorne'] }, { '/names/0': [], '/year': [] })).toEqual([]);
  });

  it('name the place and what is wrong there, all of them', () => {
    expect(faults({ year: 'x', names: [1], more: 2 })).toEqual([
      'The object must NOT have additional properties: "more"',
      '"/year" must be integer',
      '"/names/0" must be string',
    ]);
    expect(faults({})).toEqual(["The object must have required property 'year'"]);
  });

  it('hold citations of fields that are not there', () => {
    expect(faults({ year: 1911 }, { '/month': [] })).toEqual([
      '"citations" names "/month", and the output has no such field',
    ]);
  });

  it('hold numbers that no store can keep, and pointers to what is no item', () => {
    const numbers = { type: 'object', properties: { n: { type: 'number' }, list: { type: 'array' } } };
    expect(outputFaults(numbers, { value: { n: Number.POSITIVE_INFINITY }, citations: {} })).toHaveLength(1);
    expect(outputFaults(numbers, { value: { list: [1] }, citations: { '/list/length': [] } })).toHaveLength(1);
    expect(outputFaults(numbers, { value: { list: [1] }, citations: { '/list/0': [] } })).toEqual([]);
  });

  it('break off a pattern that would take for ever', () => {
    const slow = { type: 'object', properties: { a: { type: 'string', pattern: '^(a+)+$' } } };
    expect(outputFaults(slow, { value: { a: `${'a'.repeat(60)}!` }, citations: {} })).toEqual([
      expect.stringContaining('It could not be checked'),
    ]);
  });
});
