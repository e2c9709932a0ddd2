/** Values that fit a JSON Schema, and values that nearly do, for tests that send what a description allows and what not. */
import fc from 'fast-check';

type Schema = Readonly<Record<string, unknown>>;
/** Finds what a `$ref` names. */
type Find = (ref: string) => Schema;

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const numberOf = (value: unknown, otherwise: number): number => (typeof value === 'number' ? value : otherwise);

/** Values that fit, small ones. What only code knows of a value, such as which ids are there, they do not know. */
export function valuesOf(schema: Schema, find: Find, depth = 0): fc.Arbitrary<unknown> {
  const { $ref, anyOf, oneOf, allOf, type } = schema;
  if (typeof $ref === 'string') return valuesOf(find($ref), find, depth);
  if ('const' in schema) return fc.constant(schema['const']);
  if (Array.isArray(schema['enum'])) return fc.constantFrom(...schema['enum']);
  const forms = [anyOf, oneOf].find((some) => Array.isArray(some));
  if (Array.isArray(forms)) return fc.oneof(...forms.map((form: Schema) => valuesOf(form, find, depth)));
  if (Array.isArray(allOf)) return valuesOf(Object.assign({}, ...allOf), find, depth);
  if (Array.isArray(type)) return fc.oneof(...type.map((one) => valuesOf({ ...schema, type: one }, find, depth)));
  switch (type) {
    case 'object':
      return objectsOf(schema, find, depth);
    case 'array':
      return fc.array(itemsOf(schema, find, depth), {
        minLength: numberOf(schema['minItems'], 0),
        maxLength: Math.min(numberOf(schema['maxItems'], 3), 3),
      });
    case 'string':
      return textsOf(schema);
    case 'integer':
    case 'number':
      return numbersOf(schema);
    case 'boolean':
      return fc.boolean();
    case 'null':
      return fc.constant(null);
    default:
      return fc.jsonValue({ maxDepth: 2 });
  }
}

function itemsOf({ items }: Schema, find: Find, depth: number): fc.Arbitrary<unknown> {
  return isRecord(items) ? valuesOf(items, find, depth + 1) : fc.jsonValue({ maxDepth: 1 });
}

function objectsOf(schema: Schema, find: Find, depth: number): fc.Arbitrary<unknown> {
  const { properties, additionalProperties, required } = schema;
  const requiredKeys = Array.isArray(required) ? required : [];
  const fields = Object.entries(isRecord(properties) ? properties : {}).filter(
    ([name]) => depth < 4 || requiredKeys.includes(name),
  );
  const own = fc.record(
    Object.fromEntries(fields.map(([name, field]) => [name, valuesOf(field as Schema, find, depth + 1)])),
    { requiredKeys },
  );
  if (!isRecord(additionalProperties)) return own;
  const names = fc.string({ minLength: 1, maxLength: 8, unit: 'grapheme-ascii' });
  const others = fc.dictionary(names, valuesOf(additionalProperties, find, depth + 1), { maxKeys: 2 });
  return fc.tuple(own, others).map(([some, more]) => ({ ...more, ...some }));
}

function textsOf({ pattern, minLength, maxLength, format }: Schema): fc.Arbitrary<string> {
  if (format === 'date') return fc.date({ noInvalidDate: true, min: new Date(0), max: new Date(4e12) }).map(dayOf);
  if (format === 'date-time') return fc.date({ noInvalidDate: true, min: new Date(0), max: new Date(4e12) }).map(iso);
  // Of all letters, these are enough, and fast-check does not make others for a pattern.
  const plain = String(pattern).replaceAll('\\p{L}', 'a-z').replaceAll('\\p{N}', '0-9');
  const isOddlyPatterned = plain.includes('\\p{');
  if (typeof pattern === 'string' && !isOddlyPatterned) return fc.stringMatching(new RegExp(plain, 'u'));
  const least = numberOf(minLength, 0);
  const texts = fc.string({ minLength: least, maxLength: Math.max(least, Math.min(numberOf(maxLength, 30), 30)) });
  return isOddlyPatterned ? texts.filter((text) => new RegExp(plain, 'u').test(text)) : texts;
}

const iso = (date: Date): string => date.toISOString();
const dayOf = (date: Date): string => iso(date).slice(0, 10);

function numbersOf({ type, minimum, maximum, exclusiveMinimum }: Schema): fc.Arbitrary<number> {
  const least = numberOf(minimum, numberOf(exclusiveMinimum, -1_000));
  const most = numberOf(maximum, 1e9);
  if (type === 'integer') return fc.integer({ min: Math.max(least, -2e9), max: Math.min(most, 2e9) });
  return fc.double({ min: least, max: most, noNaN: true }).filter((value) => value !== exclusiveMinimum);
}

/** Things that nobody sends by accident. */
const oddities: readonly unknown[] = [
  null,
  true,
  0,
  -1,
  0.5,
  1e308,
  -0,
  Number.MAX_SAFE_INTEGER + 1,
  '',
  ' ',
  '\0',
  '\ud800',
  '\u202e',
  '../../etc/passwd',
  "'; DROP TABLE runs; --",
  '%s%n{{7*7}}',
  'x'.repeat(30_000),
  [],
  {},
  [[[[[[]]]]]],
  { a: { b: { c: {} } } },
  JSON.parse('{"constructor": 1, "toString": 2, "hasOwnProperty": 3}'),
];

/** The same values with one thing in them that is not as it should be: replaced, left out, or added. */
export function spoilt(values: fc.Arbitrary<unknown>): fc.Arbitrary<unknown> {
  const oddity = fc.oneof(fc.constantFrom(...oddities), fc.jsonValue({ maxDepth: 3 }));
  return fc.tuple(values, fc.nat(1_000), oddity, fc.constantFrom('replace', 'drop', 'add')).map(spoil);
}

type How = 'replace' | 'drop' | 'add';

function spoil([value, at, oddity, how]: [unknown, number, unknown, How]): unknown {
  const copy: unknown = structuredClone(value);
  const places = placesIn(copy);
  const place = places[at % Math.max(1, places.length)];
  if (place === undefined) return oddity;
  const [holder, name] = place;
  if (how === 'add') holder[`odd_${at}`] = oddity;
  else if (how === 'drop') delete holder[name];
  else holder[name] = oddity;
  return copy;
}

function placesIn(value: unknown): [Record<string, unknown>, string][] {
  if (typeof value !== 'object' || value === null) return [];
  const holder = value as Record<string, unknown>; // arrays, too, are records of their items
  return Object.keys(holder).flatMap((name) => [[holder, name] as [typeof holder, string], ...placesIn(holder[name])]);
}
