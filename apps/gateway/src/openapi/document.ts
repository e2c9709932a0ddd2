import { RequestMethod, type Type } from '@nestjs/common';
import { METHOD_METADATA, PATH_METADATA } from '@nestjs/common/constants.js';
import { z } from 'zod';
import { errorResource, type Scope } from '#contracts';
import { scopeOf } from '../access/caller.ts';
import { type FaultCode, faultCodes } from '../faults.ts';
import { type Content, describedBy, type ErrorForm, type Operation } from './operation.ts';
import { fieldsOf, type Json, NamedSchemas } from './schemas.ts';

/** Errors that any route may answer with, and those of routes that are not open. */
const anywhere: readonly FaultCode[] = [
  'bad_request',
  'headers_too_large',
  'internal',
  'unavailable',
  'deadline_exceeded',
];
const behindKeys: readonly FaultCode[] = [
  'missing_api_key',
  'invalid_api_key',
  'forbidden',
  'rate_limited',
  'overloaded',
];
const withParams: readonly FaultCode[] = ['not_found'];
const withBody: readonly FaultCode[] = ['request_timeout', 'too_large', 'unsupported_media_type', 'validation_failed'];

interface Route {
  readonly method: string;
  readonly path: string;
  readonly scope: Scope | 'open' | undefined;
  readonly operation: Operation;
  /** Of the handler: unique, for generated clients. */
  readonly name: string;
}

/** The OpenAPI 3.1 document of what some controllers serve, from what their routes say of themselves. */
export function openApiDocument(controllers: readonly Type[]): Json {
  const schemas = new NamedSchemas();
  const routes = controllers.flatMap(routesOf);
  const paths: Record<string, Record<string, Json>> = {};
  for (const route of routes) {
    const path = route.path.replaceAll(/:(\w+)/g, '{$1}');
    paths[path] = { ...paths[path], [route.method.toLowerCase()]: toOperation(route, schemas) };
  }
  return {
    openapi: '3.1.1',
    info: {
      title: 'Argosy',
      version: '1',
      description: 'Research as a service: a question in, a report out in which every claim quotes its source.',
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    jsonSchemaDialect: 'https://json-schema.org/draft/2020-12/schema',
    servers: [{ url: '/' }],
    paths,
    components: {
      schemas: schemas.used,
      securitySchemes: {
        key: { type: 'http', scheme: 'bearer', description: 'A key. Without keys, the server serves its own machine.' },
      },
    },
  };
}

function routesOf(controller: Type): Route[] {
  const prefix = pathsOf(controller)[0] ?? '';
  const prototype: object = controller.prototype;
  return Object.getOwnPropertyNames(prototype).flatMap((name) => {
    const handler: unknown = Object.getOwnPropertyDescriptor(prototype, name)?.value;
    if (typeof handler !== 'function') return [];
    const method: RequestMethod | undefined = Reflect.getMetadata(METHOD_METADATA, handler);
    if (method === undefined) return [];
    const operation = describedBy(handler);
    // A test finds the routes that say nothing of themselves; nobody else's start shall fail for it.
    if (operation === undefined) return [];
    const subject = controller.name.replace(/Controller$/, '');
    return pathsOf(handler).map((path, index) => ({
      method: RequestMethod[method] ?? '',
      path: `/${[prefix, path].filter((part) => part !== '' && part !== '/').join('/')}`,
      scope: scopeOf(handler),
      operation,
      name: `${subject}_${name}${index === 0 ? '' : index + 1}`,
    }));
  });
}

function pathsOf(target: object): string[] {
  return [Reflect.getMetadata(PATH_METADATA, target) ?? ''].flat();
}

function toOperation({ path, scope, operation, name }: Route, schemas: NamedSchemas): Json {
  const { summary, description, body, answers } = operation;
  const isOpen = scope === 'open';
  const needs = isOpen ? 'Open to everyone.' : `Needs the scope \`${scope}\`.`;
  const good = Object.entries(answers).map(([status, content]) => [status, toAnswer(content, schemas)]);
  return {
    operationId: name,
    summary,
    description: [description, needs].filter((text) => text !== undefined).join('\n\n'),
    security: isOpen ? [] : [{ key: [scope] }],
    parameters: parametersOf(operation, path),
    ...(body === undefined ? {} : { requestBody: { required: true, content: toContent(body, schemas, 'input') } }),
    responses: { ...faultsOf(operation, isOpen, schemas), ...Object.fromEntries(good) },
  };
}

function parametersOf({ params = {}, query, headers }: Operation, path: string): Json[] {
  const named = [...path.matchAll(/:(\w+)/g)].map(([, name = '']) => {
    const described = params[name];
    if (described === undefined) throw new Error(`The parameter ${name} of ${path} is not described.`);
    return { name, in: 'path', required: true, ...described, schema: { type: 'string' } };
  });
  const others = [
    { place: 'query', fields: query },
    { place: 'header', fields: headers },
  ].flatMap(({ place, fields }) => {
    return fields === undefined ? [] : fieldsOf(fields).map((field) => ({ ...field, in: place }));
  });
  return [...named, ...others];
}

function toAnswer(answer: Operation['answers'][number], schemas: NamedSchemas): Json {
  if (answer === null) return { description: 'Done; there is nothing more to say.' };
  const forms = [answer].flat();
  const described = forms.map((one) => (one instanceof z.ZodType ? z.globalRegistry.get(one) : one)?.description ?? '');
  const contents = forms.map((one) => toContent(one, schemas, 'output'));
  return { description: described.join('\n\n'), content: Object.assign({}, ...contents) };
}

function toContent(content: Content, schemas: NamedSchemas, io: 'input' | 'output'): Json {
  if (!(content instanceof z.ZodType)) {
    const { type, description, example } = content;
    const schema = example === undefined ? { description } : { type: 'string', description };
    return { [type]: { schema, ...(example === undefined ? {} : { example }) } };
  }
  const [example] = exampleOf(content);
  return { 'application/json': { schema: schemas.refer(content, io), example } };
}

function exampleOf(schema: z.ZodType): readonly unknown[] {
  const { examples, id } = z.globalRegistry.get(schema) ?? {};
  if (!Array.isArray(examples) || examples.length === 0) throw new Error(`The schema ${id} has no example.`);
  return examples;
}

/** By status: every code that may come with it, and what it means. */
function faultsOf(operation: Operation, isOpen: boolean, schemas: NamedSchemas): Json {
  const { faults = [], params, body, errors = ownErrors } = operation;
  const possible = new Set<FaultCode>([
    ...anywhere,
    ...(isOpen ? [] : behindKeys),
    ...(params === undefined ? [] : withParams),
    // What a route does not describe, it refuses.
    ...(operation.lenient ? [] : ['validation_failed' as const]),
    ...(body === undefined ? [] : withBody),
    ...faults,
  ]);
  const codes = (Object.keys(faultCodes) as FaultCode[]).filter((code) => possible.has(code)); // keys of the table
  const byStatus = Object.groupBy(codes, (code) => errors.statusOf(code));
  return Object.fromEntries(
    Object.entries(byStatus).map(([status, some = []]) => [status, toFault(some, errors, schemas)]),
  );
}

const ownErrors: ErrorForm = {
  schema: errorResource,
  statusOf: (code) => faultCodes[code].status,
  example: (code, message) => {
    return { error: { code, message, request_id: 'req_1f0e8a5c-94a5-4a8e-9df4-6f3f1f3f7a10' } };
  },
};

function toFault(codes: readonly FaultCode[], errors: ErrorForm, schemas: NamedSchemas): Json {
  const [first = 'internal'] = codes;
  const status = errors.statusOf(first);
  const example = errors.example(first, faultCodes[first].meaning);
  const retry = { 'Retry-After': { description: 'Seconds to wait.', schema: { type: 'integer' }, example: 5 } };
  return {
    description: codes.map((code) => `\`${code}\`: ${faultCodes[code].meaning}`).join('\n\n'),
    ...(status === 503 || status === 429 ? { headers: retry } : {}),
    content: { 'application/json': { schema: schemas.refer(errors.schema, 'output'), example } },
  };
}
