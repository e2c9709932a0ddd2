import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach } from '@jest/globals';
import { type Cluster, openCluster } from '#autoscaler';
import { type ApiAddress, ApiClient, kubeconfigOf } from './api-client.ts';

/** An API server, opened for a suite. */
export interface OpenServer {
  readonly address: ApiAddress;
  /** Goes away and comes back; absent where a test cannot have that. */
  readonly outage?: { begin(): Promise<void>; end(): Promise<void> };
  close(): Promise<void>;
}

/** How often an autoscaler looks, in ms; a server that takes longer to answer needs a longer lease. */
export interface Pace {
  /** The server can go away and come back. */
  readonly stops: boolean;
  readonly roundMs: number;
  readonly renewMs: number;
  readonly lease: { readonly durationMs: number; readonly limitMs: number };
}

/** Runs that one worker or group takes. */
export const slots = 2;
export const deployment = 'agents';
export const target = { kind: 'Deployment', name: deployment } as const;

/** Long enough for any machine; a wait that goes on after its test would hold up the others. */
const patienceMs = 150_000;

export async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = performance.now() + patienceMs;
  while (!(await holds())) {
    if (performance.now() > deadline) throw new Error(`it did not come about: ${holds}`);
    await pause(10);
  }
}

/** Where a test of scaling takes place: an API server for all, and for each a namespace with a Deployment of one worker. */
export class Scene {
  readonly pace: Pace;
  /** Done after the test, the last one first. */
  readonly closing: (() => unknown)[] = [];
  #server: OpenServer | null = null;
  #cluster: Cluster | null = null;
  #namespace = '';
  #count = 0;

  constructor(pace: Pace) {
    this.pace = pace;
  }

  get server(): OpenServer {
    return there(this.#server);
  }

  get api(): ApiClient {
    return new ApiClient(this.server.address);
  }

  get cluster(): Cluster {
    return there(this.#cluster);
  }

  get namespace(): string {
    return this.#namespace;
  }

  async open(open: () => Promise<OpenServer>): Promise<void> {
    this.#server = await open();
  }

  async begin(): Promise<void> {
    this.#namespace = `scaling-${process.pid}-${++this.#count}`;
    const metadata = { name: this.#namespace };
    await this.api.ask('POST', '/api/v1/namespaces', { apiVersion: 'v1', kind: 'Namespace', metadata });
    const account = { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'default' } };
    await this.api.ask('POST', `/api/v1/namespaces/${this.#namespace}/serviceaccounts`, account, [409]);
    const labels = { app: deployment };
    const template = { metadata: { labels }, spec: { containers: [{ name: 'worker', image: 'none' }] } };
    const spec = { replicas: 1, selector: { matchLabels: labels }, template };
    await this.api.ask('POST', `/apis/apps/v1/namespaces/${this.#namespace}/deployments`, {
      ...{ apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name: deployment }, spec },
    });
    this.#cluster = await this.clusterAs(this.server.address);
  }

  async end(): Promise<void> {
    for (const close of this.closing.splice(0).reverse()) await close();
  }

  /** The cluster as somebody else sees it. */
  async clusterAs(address: ApiAddress): Promise<Cluster> {
    const { file, remove } = kubeconfigOf(address);
    this.closing.push(remove);
    return await openCluster({ kubeconfigFile: file, namespace: this.#namespace });
  }

  /** Has a HorizontalPodAutoscaler scale the Deployment, too. */
  async owned(): Promise<void> {
    const scaleTargetRef = { apiVersion: 'apps/v1', kind: 'Deployment', name: deployment };
    const spec = { scaleTargetRef, minReplicas: 1, maxReplicas: 9 };
    const whole = { apiVersion: 'autoscaling/v2', kind: 'HorizontalPodAutoscaler', metadata: { name: 'theirs' }, spec };
    await this.api.ask('POST', `/apis/autoscaling/v2/namespaces/${this.#namespace}/horizontalpodautoscalers`, whole);
  }
}

/** A scene for the suite that calls it. */
export function useScene(open: () => Promise<OpenServer>, pace: Pace): Scene {
  const scene = new Scene(pace);
  beforeAll(async () => await scene.open(open), 120_000);
  afterAll(async () => await scene.server.close(), 60_000);
  beforeEach(async () => await scene.begin());
  afterEach(async () => await scene.end());
  return scene;
}

function there<T>(made: T | null): T {
  if (made === null) throw new Error('A scene is there inside tests and hooks only.');
  return made;
}
