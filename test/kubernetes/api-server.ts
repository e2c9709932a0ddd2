/** Speaks with a real API server. */
import { readFileSync } from 'node:fs';
import { Agent, request } from 'node:https';
import { parseAllDocuments } from 'yaml';
import { type ApiServer, foreignKinds, startApiServer } from '../../scripts/servers/kubernetes.mjs';
import type { Manifest } from './chart.ts';

export interface Answer {
  readonly status: number;
  /** What the server has of the object, or what is wrong with it. */
  readonly body: { readonly message?: string; readonly items?: readonly Manifest[] } & Readonly<
    Record<string, unknown>
  >;
  /** What it would say to a person at the command line. */
  readonly warnings: readonly string[];
}

interface Resource {
  readonly kind: string;
  readonly name: string;
  readonly namespaced: boolean;
}

const answerMs = 60_000;

export class Cluster {
  readonly #server: ApiServer;
  readonly #agent: Agent;
  readonly #resources = new Map<string, readonly Resource[]>();

  private constructor(server: ApiServer) {
    this.#server = server;
    // The server made its certificate itself, for names that nobody uses here.
    this.#agent = new Agent({ ca: server.certificate, keepAlive: true, checkServerIdentity: () => undefined });
  }

  /** Starts one that knows the foreign kinds of the chart. */
  static async start(): Promise<Cluster> {
    const cluster = new Cluster(await startApiServer());
    const documents = foreignKinds().flatMap((file) => parseAllDocuments(readFileSync(file, 'utf8')));
    for (const document of documents) await cluster.make(document.toJS() as Manifest); // definitions of kinds
    return cluster;
  }

  async stop(): Promise<void> {
    this.#agent.destroy();
    await this.#server.stop();
  }

  /** Creates an object. @throws Error where the server refuses it */
  async make(manifest: Manifest): Promise<void> {
    const { status, body } = await this.create(manifest, '');
    if (status !== 201 && status !== 409) throw new Error(`${manifest.kind}: ${status} ${body.message}`);
  }

  /** Has the server look at an object, with all that it would do but keep it. Fields that no kind has are faults. */
  async tryOut(manifest: Manifest): Promise<Answer> {
    return await this.create(manifest, '?dryRun=All&fieldValidation=Strict');
  }

  async create(manifest: Manifest, query: string): Promise<Answer> {
    return await this.#ask('POST', `${await this.#pathOf(manifest)}${query}`, manifest);
  }

  async get(path: string): Promise<Answer> {
    return await this.#ask('GET', path);
  }

  async #pathOf({ apiVersion, kind, metadata }: Manifest): Promise<string> {
    const group = apiVersion.includes('/') ? `/apis/${apiVersion}` : `/api/${apiVersion}`;
    const resource = (await this.#resourcesOf(group)).find((each) => each.kind === kind && !each.name.includes('/'));
    if (resource === undefined) throw new Error(`the server knows no ${kind} of ${apiVersion}`);
    return `${group}${resource.namespaced ? `/namespaces/${metadata.namespace}` : ''}/${resource.name}`;
  }

  /** A new kind is served a moment after its definition was taken. */
  async #resourcesOf(group: string): Promise<readonly Resource[]> {
    const known = this.#resources.get(group);
    if (known !== undefined) return known;
    const deadline = performance.now() + answerMs;
    for (;;) {
      const { status, body } = await this.get(group);
      if (status === 200) {
        const resources = body['resources'] as readonly Resource[]; // APIResourceList
        this.#resources.set(group, resources);
        return resources;
      }
      if (performance.now() > deadline) throw new Error(`the server does not serve ${group}: ${status}`);
    }
  }

  async #ask(method: string, path: string, sent?: object): Promise<Answer> {
    const headers = { authorization: `Bearer ${this.#server.token}`, 'content-type': 'application/json' };
    return await new Promise((resolve, reject) => {
      const options = { method, headers, agent: this.#agent, signal: AbortSignal.timeout(answerMs) };
      const asking = request(`${this.#server.url}${path}`, options, (response) => {
        let text = '';
        response.setEncoding('utf8').on('data', (chunk: string) => {
          text += chunk;
        });
        response.on('error', reject).on('end', () => {
          const warnings = [response.headers['warning'] ?? []].flat();
          resolve({ status: response.statusCode ?? 0, body: bodyOf(text), warnings });
        });
      });
      asking.on('error', reject).end(sent === undefined ? undefined : JSON.stringify(sent));
    });
  }
}

function bodyOf(text: string): Answer['body'] {
  try {
    return JSON.parse(text) as Answer['body']; // the API's own
  } catch {
    return { message: text };
  }
}
