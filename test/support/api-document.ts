/** What a gateway says of itself at /openapi.json, and whether its answers keep to it. */
import { Ajv2020 } from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';
import { z } from 'zod';

const content = z.record(
  z.string(),
  z.object({ schema: z.record(z.string(), z.unknown()), example: z.unknown().optional() }),
);
const parameter = z.object({
  name: z.string(),
  in: z.enum(['path', 'query', 'header']),
  required: z.boolean(),
  description: z.string().min(1),
  example: z.unknown(),
  schema: z.record(z.string(), z.unknown()),
});
const answer = z.object({ description: z.string().min(1), content: content.optional() });
const operation = z.object({
  operationId: z.string(),
  summary: z.string().min(1),
  description: z.string().min(1),
  security: z.array(z.record(z.string(), z.array(z.string()))),
  parameters: z.array(parameter),
  requestBody: z.object({ required: z.boolean(), content }).optional(),
  responses: z.record(z.string(), answer),
});
const document = z.object({
  openapi: z.string(),
  paths: z.record(z.string(), z.record(z.string(), operation)),
  components: z.object({ schemas: z.record(z.string(), z.record(z.string(), z.unknown())) }),
});

/** A route as it is described. */
export interface DescribedRoute extends z.infer<typeof operation> {
  /** Such as `GET`. */
  readonly method: string;
  /** Such as `/v1/research/{id}`. */
  readonly path: string;
}

export class ApiDocument {
  readonly text: string;
  readonly routes: readonly DescribedRoute[];
  readonly #ajv: Ajv2020;
  readonly #schemas: Readonly<Record<string, Readonly<Record<string, unknown>>>>;

  constructor(text: string) {
    this.text = text;
    const parsed = document.parse(JSON.parse(text));
    this.routes = Object.entries(parsed.paths).flatMap(([path, methods]) =>
      Object.entries(methods).map(([method, described]) => ({ method: method.toUpperCase(), path, ...described })),
    );
    this.#schemas = parsed.components.schemas;
    this.#ajv = new Ajv2020({ strict: false, allErrors: true, logger: false });
    addFormats.default(this.#ajv);
    // Closed, so that a field of an answer that nobody describes is found.
    this.#ajv.addSchema({ $id: 'document', components: closed(parsed.components) });
  }

  static async of(url: string): Promise<ApiDocument> {
    return new ApiDocument(await (await fetch(new URL('/openapi.json', url))).text());
  }

  /** The schema that a `$ref` of the document names. */
  named(ref: string): Readonly<Record<string, unknown>> {
    const schema = this.#schemas[ref.replace('#/components/schemas/', '')];
    if (schema === undefined) throw new Error(`The document has no ${ref}.`);
    return schema;
  }

  /** What of a value does not fit a schema of the document. */
  misfits(schema: object, value: unknown): string[] {
    const text = JSON.stringify(schema).replaceAll('"#/components/', '"document#/components/');
    const validate = this.#ajv.compile(closed(JSON.parse(text)) as object); // an object remains one
    return validate(value) ? [] : (validate.errors ?? []).map((fault) => `${fault.instancePath} ${fault.message}`);
  }

  /** The route that a request was sent to. @throws where none is described */
  routeOf(method: string, url: string): DescribedRoute {
    const parts = new URL(url).pathname.split('/');
    const found = this.routes.filter((route) => route.method === method && fits(route.path.split('/'), parts));
    // The more exact one, as in `/v1/corpora/files/{sha256}` beside `/v1/corpora/{id}/{part}`.
    const [route] = found.toSorted((a, b) => a.path.split('{').length - b.path.split('{').length);
    if (route === undefined) throw new Error(`${method} ${url} is not described.`);
    return route;
  }

  /** @throws where an answer is not what the route says that was asked */
  async check(method: string, response: Response): Promise<void> {
    const faults = await this.faultsOf(this.routeOf(method, response.url), response);
    if (faults.length > 0) throw new Error(`${method} ${response.url}:\n${faults.join('\n')}`);
  }

  /** What of an answer is not as its route says: status, type, body. */
  async faultsOf(route: DescribedRoute, response: Response): Promise<string[]> {
    const described = route.responses[response.status];
    if (described === undefined) return [`the status ${response.status} is not described`];
    const type = response.headers.get('content-type')?.split(';')[0] ?? '';
    if (described.content === undefined) return type === '' ? [] : [`${type} came where nothing should`];
    const expected = described.content[type];
    if (expected === undefined) return [`the type ${type} of ${response.status} is not described`];
    return type === 'application/json' ? this.misfits(expected.schema, await response.clone().json()) : [];
  }
}

function fits(wanted: readonly string[], given: readonly string[]): boolean {
  return wanted.length === given.length && wanted.every((part, i) => part.startsWith('{') || part === given[i]);
}

/** Every object that lists its properties has no others. */
function closed(schema: unknown): unknown {
  if (Array.isArray(schema)) return schema.map(closed);
  if (typeof schema !== 'object' || schema === null) return schema;
  const walked = Object.fromEntries(Object.entries(schema).map(([key, value]) => [key, closed(value)]));
  const isOpen = walked['type'] === 'object' && 'properties' in walked && !('additionalProperties' in walked);
  return isOpen ? { ...walked, additionalProperties: false } : walked;
}
