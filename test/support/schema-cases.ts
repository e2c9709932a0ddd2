/** JSON Schemas of the subset that constraints know, each with values that fit it, and texts of values in many styles. */
import fc from 'fast-check';

export interface SchemaCase {
  readonly schema: unknown;
  readonly value: unknown;
}

type Schema = Record<string, unknown>;

/** A schema with the values that fit it. */
interface Kind {
  readonly schema: Schema | boolean;
  readonly values: fc.Arbitrary<unknown>;
}

const texts = (minLength: number, maxLength: number): fc.Arbitrary<string> =>
  fc
    .array(fc.string({ unit: 'binary', minLength: 1, maxLength: 1 }), { minLength, maxLength })
    .map((all) => all.join('').toWellFormed());

const isNear = (value: number): boolean => value === 0 || (Math.abs(value) > 1e-299 && Math.abs(value) < 1e299);

/** JSON of any kind, but for numbers at the ends of what a double holds, and for names that ajv takes for methods. */
const plainValues = fc.jsonValue({ maxDepth: 1 }).map((value): unknown => {
  if (Object.keys(value ?? {}).some((name) => name in Object.prototype)) return null;
  return JSON.parse(JSON.stringify(value), (_, one: unknown) => (typeof one === 'number' && !isNear(one) ? 7 : one));
});

const names = fc.constantFrom('a', 'ab', 'abc', 'name', 'the "quoted"', 'été', '🚀', 'b\\n', '');

const strings: fc.Arbitrary<Kind> = fc
  .tuple(fc.constantFrom(0, 1, 3, 14), fc.constantFrom(0, 1, 4, 20), fc.boolean())
  .map(([minLength, more, isOpen]) => {
    const maxLength = minLength + more;
    return {
      schema: { type: 'string', minLength, ...(isOpen ? {} : { maxLength }) },
      values: texts(minLength, maxLength),
    };
  });

const patterns: fc.Arbitrary<Kind> = fc.constantFrom<Kind>(
  { schema: { type: 'string', pattern: '^[a-c]{2,4}$' }, values: fc.stringMatching(/^[a-c]{2,4}$/) },
  {
    schema: { type: 'string', pattern: '^\\d{4}-\\d{2}(?:-\\d{2})?$' },
    values: fc.stringMatching(/^\d{4}-\d{2}(?:-\d{2})?$/),
  },
  { schema: { type: 'string', pattern: '^"|\\\\é+$' }, values: fc.stringMatching(/^"[ -~]{0,3}$|^\\é{1,3}$/) },
  { schema: { type: 'string', pattern: 'x[^y\\n]z' }, values: fc.stringMatching(/^[ -~]{0,3}x[^y\n]z[ -~]{0,3}$/u) },
);

const numbers: fc.Arbitrary<Kind> = fc.oneof(
  fc.constant({
    schema: { type: 'number' },
    values: fc.double({ noNaN: true, noDefaultInfinity: true }).filter(isNear),
  }),
  fc.constant({ schema: { type: 'integer' }, values: fc.integer() }),
  fc.tuple(fc.integer({ min: -3_000, max: 3_000 }), fc.nat(12_000)).map(([minimum, span]) => {
    const maximum = minimum + span;
    return { schema: { type: 'integer', minimum, maximum }, values: fc.integer({ min: minimum, max: maximum }) };
  }),
  fc.tuple(fc.integer({ min: -300, max: 300 }), fc.nat(500)).map(([minimum, span]) => {
    const maximum = minimum + span;
    const inside = fc.integer({ min: 0, max: span * 64 }).map((step) => minimum + step / 64);
    return { schema: { type: 'number', minimum, maximum }, values: inside };
  }),
  fc.integer({ min: -50, max: 50 }).map((exclusiveMinimum) => {
    return {
      schema: { type: 'integer', exclusiveMinimum },
      values: fc.integer({ min: exclusiveMinimum + 1, max: 9e6 }),
    };
  }),
);

const scalars: fc.Arbitrary<Kind> = fc.oneof(
  strings,
  patterns,
  numbers,
  fc.constant({ schema: { type: 'boolean' }, values: fc.boolean() }),
  fc.constant({ schema: { type: ['null', 'boolean'] }, values: fc.option(fc.boolean()) }),
  fc.constant({ schema: { type: 'string', nullable: true, maxLength: 2 }, values: fc.option(texts(0, 2)) }),
  fc
    .array(plainValues, { minLength: 1, maxLength: 3 })
    .map((all) => ({ schema: { enum: all }, values: fc.constantFrom(...all) })),
  plainValues.map((value) => ({ schema: { const: value }, values: fc.constant(value) })),
);

const { kind } = fc.letrec<{ kind: Kind }>((tie) => ({
  kind: fc.oneof(
    { maxDepth: 3, withCrossShrink: true },
    scalars,
    arraysOf(tie('kind')),
    objectsOf(tie('kind')),
    optionsOf(tie('kind')),
  ),
}));

function arraysOf(inner: fc.Arbitrary<Kind>): fc.Arbitrary<Kind> {
  return fc.tuple(inner, fc.nat(2), fc.nat(2), fc.boolean()).map(([{ schema, values }, minItems, more, isOpen]) => {
    const maxItems = minItems + more;
    return {
      schema: { type: 'array', items: schema, minItems, ...(isOpen ? {} : { maxItems }) },
      values: fc.array(values, { minLength: minItems, maxLength: maxItems }),
    };
  });
}

function objectsOf(inner: fc.Arbitrary<Kind>): fc.Arbitrary<Kind> {
  const members = fc.uniqueArray(fc.tuple(names, inner, fc.boolean()), { maxLength: 4, selector: ([name]) => name });
  return fc.tuple(members, fc.constantFrom(undefined, false, true)).map(([all, additionalProperties]) => {
    const required = all.filter(([, , isRequired]) => isRequired).map(([name]) => name);
    const own = fc.record(Object.fromEntries(all.map(([name, { values }]) => [name, values])), {
      requiredKeys: required,
    });
    const isOpen = additionalProperties === true || (additionalProperties === undefined && all.length === 0);
    const others = fc.dictionary(fc.constantFrom('other', 'abcd', 'nam', 'é'), plainValues, { maxKeys: 2 });
    return {
      schema: {
        type: 'object',
        properties: Object.fromEntries(all.map(([name, { schema }]) => [name, schema])),
        required,
        ...(additionalProperties === undefined ? {} : { additionalProperties }),
      },
      values: isOpen ? fc.tuple(own, others).map(([mine, more]) => ({ ...more, ...mine })) : own,
    };
  });
}

function optionsOf(inner: fc.Arbitrary<Kind>): fc.Arbitrary<Kind> {
  return fc.array(inner, { minLength: 1, maxLength: 3 }).map((all) => {
    return { schema: { anyOf: all.map(({ schema }) => schema) }, values: fc.oneof(...all.map(({ values }) => values)) };
  });
}

/** A random schema and a value that fits it. Every third lies behind a reference. */
export const schemaCases: fc.Arbitrary<SchemaCase> = fc.tuple(kind, fc.nat(2)).chain(([{ schema, values }, place]) => {
  const told = place === 0 ? { $ref: '#/$defs/the~1one', $defs: { 'the/one': schema } } : schema;
  return values.map((value) => ({ schema: told, value }));
});

/** How a value is written: what JSON leaves open, drawn from these dice. */
export interface Style {
  readonly gaps: readonly string[];
  readonly dice: readonly number[];
}

export const styles: fc.Arbitrary<Style> = fc.record({
  gaps: fc.array(fc.constantFrom('', '', ' ', '\n', '\n    '), { minLength: 7, maxLength: 7 }),
  dice: fc.array(fc.nat(7), { minLength: 11, maxLength: 11 }),
});

/** The text of a value in a style; members in another order, and where `free`, characters of strings as escapes. */
export function written(value: unknown, { gaps, dice }: Style, free: boolean): string {
  let drawn = 0;
  const die = (): number => dice[drawn++ % dice.length] ?? 0;
  const gap = (): string => gaps[(drawn++ * 3) % gaps.length] ?? '';
  const list = (open: string, parts: readonly string[], close: string): string =>
    `${open}${gap()}${parts.join(`,${gap()}`)}${parts.length > 0 ? gap() : ''}${close}`;
  const write = (one: unknown): string => {
    if (typeof one === 'string') return free ? escaped(one, die) : JSON.stringify(one);
    if (Array.isArray(one))
      return list(
        '[',
        one.map((item) => `${write(item)}`),
        ']',
      );
    if (typeof one !== 'object' || one === null) return JSON.stringify(one);
    const members = Object.entries(one).map(([name, item]) => `${JSON.stringify(name)}${gap()}:${gap()}${write(item)}`);
    return list('{', free && die() > 3 ? members.reverse() : members, '}');
  };
  return write(value);
}

function escaped(text: string, die: () => number): string {
  const characters = [...text].map((one) => {
    const code = [...Array(one.length).keys()].map((at) => `\\u${one.charCodeAt(at).toString(16).padStart(4, '0')}`);
    return die() === 0 ? code.join('') : JSON.stringify(one).slice(1, -1);
  });
  return `"${characters.join('')}"`;
}
