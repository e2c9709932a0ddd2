/** The part of a Kubernetes API server that the autoscaler and its tests use, in memory. */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type Binding, isAllowed, type Rule, wantedBy } from './access-rules.ts';
import type { OpenServer } from './scaling-scene.ts';

interface Stored {
  metadata: {
    name: string;
    namespace: string;
    resourceVersion: string;
    uid: string;
    creationTimestamp: string;
    deletionTimestamp?: string;
    labels?: Record<string, string>;
    [more: string]: unknown;
  };
  spec?: Record<string, unknown>;
  [more: string]: unknown;
}

interface Asked {
  readonly method: string;
  /** Group and version, namespace, plural. */
  readonly kind: string;
  readonly namespace: string;
  readonly name: string | undefined;
  readonly part: string | undefined;
  readonly query: URLSearchParams;
  readonly body: Record<string, unknown>;
}

/** What the server says instead of an object. */
class Refusal extends Error {
  readonly status: number;
  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

const kinds: Readonly<Record<string, string>> = {
  'api/v1/pods': 'Pod',
  'api/v1/serviceaccounts': 'ServiceAccount',
  'apis/apps/v1/deployments': 'Deployment',
  'apis/apps/v1/statefulsets': 'StatefulSet',
  'apis/coordination.k8s.io/v1/leases': 'Lease',
  'apis/rbac.authorization.k8s.io/v1/roles': 'Role',
  'apis/rbac.authorization.k8s.io/v1/rolebindings': 'RoleBinding',
  'apis/autoscaling/v2/horizontalpodautoscalers': 'HorizontalPodAutoscaler',
};

/** Of somebody who may do everything. */
export const fakeToken = 'the-right-one';
/** Begins the token of a ServiceAccount, which is followed by its namespace and name. */
const accountToken = 'account:';

/** Keeps objects with versions, and tells watchers of every change. */
export class FakeApiServer {
  readonly #objects = new Map<string, Stored>();
  readonly #watchers = new Set<(type: string, kind: string, object: Stored) => void>();
  #version = 1;
  #server: Server | null = null;
  #port = 0;

  /** Opens it, again on the port that it had. */
  async open(): Promise<void> {
    const server = createServer((request, response) => void this.#answer(request, response));
    server.listen(this.#port, '127.0.0.1');
    await once(server, 'listening');
    this.#port = (server.address() as AddressInfo).port; // it listens on a host and a port
    this.#server = server;
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  async close(): Promise<void> {
    const server = this.#server;
    this.#server = null;
    if (server === null) return;
    server.close();
    server.closeAllConnections();
    await once(server, 'close');
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    try {
      const token = /^Bearer (.*)$/.exec(request.headers.authorization ?? '')?.[1] ?? '';
      if (token !== fakeToken && !this.#isAccount(token)) throw new Refusal(401, 'Unauthorized');
      const asked = await askedOf(request);
      if (token !== fakeToken) this.#authorize(token, asked);
      if (request.url === '/api/v1/namespaces') reply(response, 201, {});
      else if (asked.query.get('watch') === 'true') this.#watch(asked, response);
      else reply(response, asked.method === 'POST' ? 201 : 200, this.#act(asked));
    } catch (error) {
      const code = error instanceof Refusal ? error.status : 500;
      const message = error instanceof Error ? error.message : 'unknown';
      reply(response, code, { kind: 'Status', apiVersion: 'v1', status: 'Failure', code, message });
    }
  }

  #isAccount(token: string): boolean {
    return token.startsWith(accountToken) && this.#objects.has(`${kindOf('ServiceAccount')}/${token.split(':')[1]}`);
  }

  /** By the Roles that are bound to a ServiceAccount in its namespace. */
  #authorize(token: string, asked: Asked): void {
    const [, account = ''] = token.split(':');
    const [namespace = '', name = ''] = account.split('/');
    const bindings = [...this.#objects].filter(([key]) => key.startsWith(`${kindOf('RoleBinding')}/${namespace}/`));
    const rules = bindings.flatMap(([, binding]) => {
      const { roleRef, subjects } = binding as unknown as Binding; // of its kind
      const role = this.#objects.get(`${kindOf('Role')}/${namespace}/${roleRef.name}`);
      const isBound = subjects.some((subject) => subject.kind === 'ServiceAccount' && subject.name === name);
      return isBound ? ((role?.['rules'] ?? []) as readonly Rule[]) : []; // a Role's
    });
    const wanted = wantedBy(asked);
    if (asked.namespace === namespace && isAllowed(rules, wanted)) return;
    const what = `cannot ${wanted.verb} resource "${wanted.resource}" in API group "${wanted.group}"`;
    throw new Refusal(
      403,
      `User "system:serviceaccount:${namespace}:${name}" ${what} in the namespace "${asked.namespace}"`,
    );
  }

  #act(asked: Asked): object {
    if (kinds[asked.kind] === undefined) throw new Refusal(404, 'the server could not find the requested resource');
    if (asked.name === undefined) return asked.method === 'POST' ? this.#create(asked) : this.#list(asked);
    const found = this.#objects.get(keyOf(asked));
    if (found === undefined) throw new Refusal(404, `${asked.kind} "${asked.name}" not found`);
    switch (asked.method) {
      case 'POST':
        return { kind: 'TokenRequest', status: { token: `${accountToken}${asked.namespace}/${asked.name}` } };
      case 'PUT':
        return asked.part === 'scale' ? this.#putScale(asked, found) : this.#put(asked, found);
      case 'PATCH':
        return this.#keep(asked, merged(found, asked.body) as Stored);
      case 'DELETE':
        return this.#remove(asked, found);
      default:
        return asked.part === 'scale' ? scaleOf(found) : found;
    }
  }

  #create(asked: Asked): Stored {
    const metadata = (asked.body['metadata'] ?? {}) as Stored['metadata'];
    const named = { ...asked, name: metadata.name };
    if (this.#objects.has(keyOf(named))) throw new Refusal(409, `${asked.kind} "${metadata.name}" already exists`);
    const uid = `uid-${this.#version}`;
    const made = { ...metadata, namespace: asked.namespace, uid, creationTimestamp: stamp() };
    return this.#keep(named, { ...asked.body, metadata: made }, 'ADDED');
  }

  #list({ kind, namespace, query }: Asked): object {
    const wanted = (query.get('labelSelector') ?? '').split(',').filter((part) => part !== '');
    const all = [...this.#objects]
      .filter(([key]) => key.startsWith(`${kind}/${namespace}/`))
      .map(([, object]) => object)
      .filter(({ metadata }) => wanted.every((part) => hasLabel(metadata.labels ?? {}, part)));
    const from = Number(query.get('continue') ?? 0);
    const limit = Number(query.get('limit') ?? 0) || all.length;
    const rest = from + limit < all.length ? { continue: String(from + limit) } : {};
    const metadata = { resourceVersion: String(this.#version), ...rest };
    return { kind: `${kinds[kind]}List`, apiVersion: versionOf(kind), metadata, items: all.slice(from, from + limit) };
  }

  #put(asked: Asked, found: Stored): Stored {
    expectVersion(asked.body, found);
    return this.#keep(asked, {
      ...(asked.body as Stored),
      metadata: { ...found.metadata, ...(asked.body as Stored).metadata },
    });
  }

  #putScale(asked: Asked, found: Stored): object {
    expectVersion(asked.body, found);
    const { replicas } = (asked.body['spec'] ?? {}) as { replicas?: number };
    return scaleOf(this.#keep(asked, { ...found, spec: { ...found.spec, replicas: replicas ?? 0 } }));
  }

  /** A pod is given its grace, and goes when whoever runs it says that it has ended. */
  #remove(asked: Asked, found: Stored): Stored {
    const graceless = asked.query.get('gracePeriodSeconds') === '0' || asked.body['gracePeriodSeconds'] === 0;
    if (kinds[asked.kind] === 'Pod' && !graceless) {
      if (found.metadata.deletionTimestamp !== undefined) return found;
      return this.#keep(asked, { ...found, metadata: { ...found.metadata, deletionTimestamp: stamp() } });
    }
    this.#objects.delete(keyOf(asked));
    this.#version++;
    this.#tell('DELETED', asked.kind, found);
    return found;
  }

  #keep(asked: Asked, object: Stored, type = 'MODIFIED'): Stored {
    const head = { kind: kinds[asked.kind], apiVersion: versionOf(asked.kind) };
    const kept = { ...head, ...object, metadata: { ...object.metadata, resourceVersion: String(++this.#version) } };
    this.#objects.set(keyOf(asked), kept);
    this.#tell(type, asked.kind, kept);
    return kept;
  }

  #tell(type: string, kind: string, object: Stored): void {
    for (const watcher of this.#watchers) watcher(type, kind, object);
  }

  #watch(asked: Asked, response: ServerResponse): void {
    response.writeHead(200, { 'content-type': 'application/json' });
    response.flushHeaders();
    const since = Number(asked.query.get('resourceVersion') ?? 0);
    const send = (type: string, kind: string, object: Stored): void => {
      if (kind !== asked.kind || object.metadata.namespace !== asked.namespace) return;
      response.write(`${JSON.stringify({ type, object })}\n`);
    };
    for (const [key, object] of this.#objects)
      if (key.startsWith(`${asked.kind}/`) && Number(object.metadata.resourceVersion) > since)
        send('ADDED', asked.kind, object);
    this.#watchers.add(send);
    response.on('close', () => this.#watchers.delete(send));
  }
}

/** One that is open, for a scene. */
export async function openFake(): Promise<OpenServer> {
  const server = new FakeApiServer();
  await server.open();
  return {
    address: { url: server.url, token: fakeToken },
    outage: { begin: async () => await server.close(), end: async () => await server.open() },
    close: async () => await server.close(),
  };
}

async function askedOf(request: IncomingMessage): Promise<Asked> {
  const { pathname, searchParams: query } = new URL(request.url ?? '/', 'http://fake');
  const [, head = '', namespace = '', plural = '', name, part] =
    /^\/(api\/v1|apis\/[^/]+\/[^/]+)\/namespaces\/([^/]+)\/([^/]+)(?:\/([^/]+))?(?:\/([^/]+))?$/.exec(pathname) ?? [];
  let text = '';
  for await (const chunk of request.setEncoding('utf8')) text += chunk;
  const body = text === '' ? {} : (JSON.parse(text) as Record<string, unknown>); // an object of the API
  return { method: request.method ?? 'GET', kind: `${head}/${plural}`, namespace, name, part, query, body };
}

/** The path of a kind. */
function kindOf(wanted: string): string {
  return Object.entries(kinds).find(([, kind]) => kind === wanted)?.[0] ?? '';
}

function reply(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
}

function keyOf({ kind, namespace, name }: Asked): string {
  return `${kind}/${namespace}/${name}`;
}

function versionOf(kind: string): string {
  return kind.replace(/^apis?\//, '').replace(/\/[^/]+$/, '');
}

function stamp(): string {
  return new Date().toISOString().replace(/\.\d+Z$/, 'Z');
}

function hasLabel(labels: Record<string, string>, part: string): boolean {
  const [key = '', value = ''] = part.split('=');
  return labels[key] === value;
}

function scaleOf({ metadata, spec }: Stored): object {
  const { name, namespace, resourceVersion, uid } = metadata;
  const replicas = spec?.['replicas'] ?? 1;
  return {
    kind: 'Scale',
    apiVersion: 'autoscaling/v1',
    metadata: { name, namespace, resourceVersion, uid },
    spec: { replicas },
    status: { replicas },
  };
}

/** An object without a version is written over whatever is there. */
function expectVersion(body: Record<string, unknown>, found: Stored): void {
  const { resourceVersion } = (body['metadata'] ?? {}) as { resourceVersion?: string };
  if (resourceVersion !== undefined && resourceVersion !== '' && resourceVersion !== found.metadata.resourceVersion)
    throw new Refusal(409, 'the object has been modified; please apply your changes to the latest version');
}

/** RFC 7396. */
function merged(into: unknown, patch: unknown): unknown {
  if (typeof patch !== 'object' || patch === null || Array.isArray(patch)) return patch;
  const result: Record<string, unknown> = { ...(typeof into === 'object' ? into : {}) };
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) delete result[key];
    else result[key] = merged(result[key], value);
  }
  return result;
}
