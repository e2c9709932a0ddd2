import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach } from '@jest/globals';
import { type Cluster, openCluster } from '#autoscaler';
import { ArgosyError } from '#errors';
import { account, chartRules, type Rule } from './access-rules.ts';
import { type ApiAddress, ApiClient, kubeconfigOf } from './api-client.ts';

/** An API server, opened for a suite. */
export interface OpenServer {
  readonly address: ApiAddress;
  /** Goes away, and comes back with what it had. */
  readonly outage: { begin(): Promise<void>; end(): Promise<void> };
  close(): Promise<void>;
}

/** How often an autoscaler looks, in ms; a server that takes longer to answer needs a longer lease. */
export interface Pace {
  readonly roundMs: number;
  readonly renewMs: number;
  readonly lease: { readonly durationMs: number; readonly limitMs: number };
}

/** Runs that one worker or group takes. */
export const slots = 2;
/** Names as the chart gives them, for its Role is of these. */
export const deployment = 'argosy-agent-worker';
export const target = { kind: 'Deployment', name: deployment } as const;
export const leaseName = account;

const rbac = '/apis/rbac.authorization.k8s.io/v1';

export interface Lease {
  readonly metadata: { readonly name: string; readonly annotations?: Readonly<Record<string, string>> };
  readonly spec: Readonly<Record<string, unknown>>;
}

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
    for (const name of ['default', account])
      await this.#make('/api/v1', 'serviceaccounts', { kind: 'ServiceAccount', metadata: { name } }, [409]);
    const roleRef = { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name: account };
    const subjects = [{ kind: 'ServiceAccount', name: account, namespace: this.#namespace }];
    await this.#make(rbac, 'roles', { kind: 'Role', metadata: { name: account }, rules: chartRules('production') });
    await this.#make(rbac, 'rolebindings', { kind: 'RoleBinding', metadata: { name: account }, roleRef, subjects });
    await this.deploy(deployment, 1);
    this.#cluster = await this.clusterAs(await this.accountAddress());
    await until(async () => await this.#holds(async () => await this.cluster.read(target)));
  }

  /** Makes a Deployment. */
  async deploy(name: string, replicas: number): Promise<void> {
    const labels = { app: name };
    const template = { metadata: { labels }, spec: { containers: [{ name: 'worker', image: 'none' }] } };
    const spec = { replicas, selector: { matchLabels: labels }, template };
    await this.#make('/apis/apps/v1', 'deployments', { kind: 'Deployment', metadata: { name }, spec });
  }

  /** The server, for the ServiceAccount that the chart gives the autoscaler. */
  async accountAddress(): Promise<ApiAddress> {
    const path = `/api/v1/namespaces/${this.#namespace}/serviceaccounts/${account}/token`;
    const body = { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', spec: { expirationSeconds: 3_600 } };
    const { status } = await this.api.ask<{ status: { token: string } }>('POST', path, body);
    return { ...this.server.address, token: status.token };
  }

  /** Gives that account these rights instead of those it has. */
  async allow(rules: readonly Rule[]): Promise<void> {
    const path = `${rbac}/namespaces/${this.#namespace}/roles/${account}`;
    await this.api.ask('PUT', path, {
      ...{ apiVersion: 'rbac.authorization.k8s.io/v1', kind: 'Role', metadata: { name: account }, rules },
    });
  }

  /** The Lease as the server has it, or as it is made. */
  async lease(made?: Lease): Promise<Lease> {
    const leases = '/apis/coordination.k8s.io/v1';
    if (made !== undefined) await this.#make(leases, 'leases', { kind: 'Lease', ...made });
    return await this.api.ask('GET', `${leases}/namespaces/${this.#namespace}/leases/${leaseName}`);
  }

  async #make(base: string, plural: string, object: object, wanted: readonly number[] = []): Promise<void> {
    const whole = { apiVersion: base.replace(/^\/apis?\//, ''), ...object };
    await this.api.ask('POST', `${base}/namespaces/${this.#namespace}/${plural}`, whole, wanted);
  }

  async #holds(look: () => Promise<unknown>): Promise<boolean> {
    try {
      await look();
      return true;
    } catch (error) {
      // A Role binds a moment after it was made.
      if (error instanceof ArgosyError && error.code === 'cluster_forbids') return false;
      throw error;
    }
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
    const whole = { kind: 'HorizontalPodAutoscaler', metadata: { name: 'theirs' }, spec };
    await this.#make('/apis/autoscaling/v2', 'horizontalpodautoscalers', whole);
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
