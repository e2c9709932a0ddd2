/** The words of JSON Schema that constraints know. */

export type Schema = Readonly<Record<string, unknown>>;

const TYPES = ['object', 'array', 'string', 'number', 'integer', 'boolean', 'null'] as const;
export type TypeName = (typeof TYPES)[number];

/** Keywords that say nothing about values of other types, by the type that they are of. */
const FAMILIES = {
  object: ['properties', 'required', 'additionalProperties'],
  array: ['items', 'minItems', 'maxItems'],
  string: ['minLength', 'maxLength', 'pattern'],
  number: ['minimum', 'maximum', 'exclusiveMinimum', 'exclusiveMaximum'],
} as const;

/** Notes to the reader, and where references lead. */
export const ANNOTATIONS: ReadonlySet<string> = new Set([
  '$comment',
  '$defs',
  '$id',
  '$schema',
  'default',
  'definitions',
  'deprecated',
  'description',
  'example',
  'examples',
  'readOnly',
  'title',
  'writeOnly',
]);

export const KEYWORDS: ReadonlySet<string> = new Set([
  ...ANNOTATIONS,
  ...Object.values(FAMILIES).flat(),
  '$ref',
  'anyOf',
  'const',
  'enum',
  'nullable',
  'type',
]);

/** Null for what names no types. */
export function typesOf(type: unknown): TypeName[] | null {
  const names: unknown[] = Array.isArray(type) ? type : [type];
  const types = TYPES.filter((name) => names.includes(name));
  if (types.length === 0 || types.length < new Set(names).size) return null;
  return types.includes('number') ? types.filter((name) => name !== 'integer') : types;
}

/** The types that a schema without `type` speaks of. */
export function familiesOf(schema: Schema): TypeName[] {
  return TYPES.filter((type) => Object.hasOwn(FAMILIES, type)).filter((type) => {
    const words: readonly string[] = FAMILIES[type as keyof typeof FAMILIES]; // a key, by the filter before
    return words.some((word) => word in schema);
  });
}

export function isOfType(value: unknown, type: TypeName): boolean {
  switch (type) {
    case 'object':
      return isRecord(value);
    case 'array':
      return Array.isArray(value);
    case 'integer':
      return Number.isInteger(value);
    case 'null':
      return value === null;
    case 'string':
    case 'number':
    case 'boolean':
      return typeof value === type;
  }
}

export function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
