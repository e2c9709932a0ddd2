import { z } from 'zod';

/** A JSON Schema (2020-12), or part of the document around it. */
export type Json = Readonly<Record<string, unknown>>;

/** Where the document keeps its named schemas. */
const home = '#/components/schemas/';

/**
 * The zod schemas that have a name (`meta({ id })`), as the document's. Bodies are described as they are sent, answers as
 * they are given.
 */
export class NamedSchemas {
  readonly #all: Readonly<Record<'input' | 'output', Readonly<Record<string, Json>>>>;
  readonly #used = new Map<string, Json>();

  constructor() {
    this.#all = { input: convert('input'), output: convert('output') };
  }

  /** A reference to a schema of this name, which the document has from then on. */
  refer(schema: z.ZodType, io: 'input' | 'output'): Json {
    const { id } = z.globalRegistry.get(schema) ?? {};
    if (id === undefined) throw new Error('A schema of a route has no name: give it one by meta({ id }).');
    this.#use(id, io);
    return { $ref: home + id };
  }

  /** Everything that was referred to, and what that refers to. */
  get used(): Json {
    return Object.fromEntries([...this.#used].sort(([a], [b]) => (a < b ? -1 : 1)));
  }

  #use(id: string, io: 'input' | 'output'): void {
    const schema = this.#all[io][id];
    if (schema === undefined || this.#used.has(id)) return;
    this.#used.set(id, schema);
    for (const name of namesIn(schema)) this.#use(name, io);
  }
}

function convert(io: 'input' | 'output'): Record<string, Json> {
  const uri = (id: string): string => home + id;
  const { schemas } = z.toJSONSchema(z.globalRegistry, { io, uri, unrepresentable: 'any' });
  return Object.fromEntries(Object.entries(schemas).map(([id, schema]) => [id, plain(schema, io)]));
}

/** Answers may gain fields in later releases, so none of them is closed; and the document says its dialect once. */
function plain(schema: unknown, io: 'input' | 'output'): Json {
  const walk = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(walk);
    if (typeof value !== 'object' || value === null) return value;
    const isClosed = (name: string, one: unknown) =>
      name === 'additionalProperties' && one === false && io === 'output';
    const dropped = new Set(['$schema', '$id', 'id']);
    const kept = Object.entries(value).filter(
      ([name, one]) => !isClosed(name, one) && !(dropped.has(name) && typeof one === 'string'),
    );
    return Object.fromEntries(kept.map(([name, one]) => [name, name === 'examples' ? one : walk(one)]));
  };
  return walk(schema) as Json; // an object remains one
}

function namesIn(value: unknown): string[] {
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([key, one]) => {
    if (key === '$ref' && typeof one === 'string' && one.startsWith(home)) return [one.slice(home.length)];
    return namesIn(one);
  });
}

/** A field of a query or a header. */
export interface Field {
  readonly name: string;
  readonly required: boolean;
  readonly description: string;
  readonly example: unknown;
  readonly schema: Json;
}

/** The fields of an object of text, each as what it is read as: a number that comes as text is a number. */
export function fieldsOf(object: z.ZodObject): Field[] {
  const { properties = {} } = z.toJSONSchema(object, { io: 'output', unrepresentable: 'any' });
  const { required = [] } = z.toJSONSchema(object, { io: 'input', unrepresentable: 'any' });
  return Object.entries(properties).map(([name, property]) => {
    if (typeof property === 'boolean') throw new Error(`The parameter ${name} has no schema.`);
    const { description, examples = [], ...schema } = property;
    if (description === undefined || examples[0] === undefined) {
      throw new Error(`The parameter ${name} needs a description and an example.`);
    }
    return {
      name,
      required: required.includes(name),
      description,
      example: examples[0],
      schema: plain(schema, 'output'),
    };
  });
}
