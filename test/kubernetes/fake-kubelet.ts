/** What a controller manager, a scheduler and a kubelet do for the pods of Deployments and StatefulSets, so far as a scaler can tell. */
import { setTimeout as pause } from 'node:timers/promises';
import type { ApiClient } from './api-client.ts';

export interface FakePod {
  readonly metadata: {
    readonly name: string;
    /** A pod of a StatefulSet comes again under its name. */
    readonly uid: string;
    readonly labels?: Readonly<Record<string, string>>;
    readonly annotations?: Readonly<Record<string, string>>;
    readonly creationTimestamp: string;
    readonly deletionTimestamp?: string;
  };
  readonly status?: { readonly conditions?: readonly { readonly type: string; readonly status: string }[] };
}

interface FakeSet {
  readonly metadata: { readonly name: string };
  readonly spec: { readonly replicas?: number; readonly selector: { readonly matchLabels: Record<string, string> } };
}

/** What runs in pods. */
export interface Programs {
  /** Resolves once the pod is ready. */
  start(pod: string): Promise<void>;
  /** The pod was told to end; resolves once it has. */
  stop(pod: string): Promise<void>;
}

const costKey = 'controller.kubernetes.io/pod-deletion-cost';
const lookMs = 25;

export class FakeKubelet {
  readonly #api: ApiClient;
  readonly #namespace: string;
  readonly #programs: Programs;
  readonly #starting = new Map<string, { readonly name: string; readonly done: Promise<void> }>();
  readonly #stopping = new Map<string, Promise<void>>();
  readonly #ending = new AbortController();
  #born = 0;
  #held = Promise.resolve();
  #living: Promise<void> = Promise.resolve();
  /** Names of pods in the order in which they were told to end. */
  readonly ended: string[] = [];
  /** What StatefulSets asked for, each as `name replicas`. */
  readonly sizes = new Set<string>();

  constructor(api: ApiClient, namespace: string, programs: Programs) {
    this.#api = api;
    this.#namespace = namespace;
    this.#programs = programs;
  }

  begin(): void {
    this.#living = this.#live();
  }

  /** From now on nothing is done about what is asked for. @returns ends that; to be called before the end */
  hold(): () => void {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#held = promise;
    return resolve;
  }

  /** Ends all programs; objects stay. */
  async end(): Promise<void> {
    this.#ending.abort();
    await this.#living;
    await Promise.allSettled([...this.#starting.values()].map(({ done }) => done));
    const left = [...this.#starting].filter(([uid]) => !this.#stopping.has(uid));
    await Promise.all([...left.map(([, { name }]) => this.#programs.stop(name)), ...this.#stopping.values()]);
  }

  /** The node of a pod is gone, and the pod with it. */
  async lose(name: string): Promise<void> {
    await this.#programs.stop(name);
    await this.#api.ask('DELETE', `${this.#pods}/${name}?gracePeriodSeconds=0`);
  }

  get #pods(): string {
    return `/api/v1/namespaces/${this.#namespace}/pods`;
  }

  async #live(): Promise<void> {
    while (!this.#ending.signal.aborted) {
      await this.#held;
      // A server that is away is asked again.
      await this.#look().catch(() => undefined);
      await pause(lookMs, undefined, { signal: this.#ending.signal }).catch(() => undefined);
    }
  }

  async #look(): Promise<void> {
    const path = `/apis/apps/v1/namespaces/${this.#namespace}`;
    const deployments = await this.#api.ask<{ items: FakeSet[] }>('GET', `${path}/deployments`);
    const sets = await this.#api.ask<{ items: FakeSet[] }>('GET', `${path}/statefulsets`);
    const { items: pods } = await this.#api.ask<{ items: FakePod[] }>('GET', this.#pods);
    for (const deployment of deployments.items) await this.#match(deployment, pods);
    for (const set of sets.items) await this.#matchOrdered(set, pods);
    for (const pod of pods) this.#run(pod);
  }

  /** Makes or ends pods until there are as many as the Deployment asks for. */
  async #match({ metadata, spec }: FakeSet, pods: readonly FakePod[]): Promise<void> {
    const labels = Object.entries(spec.selector.matchLabels);
    const alive = pods.filter(
      ({ metadata: own }) =>
        own.deletionTimestamp === undefined && labels.every(([key, value]) => own.labels?.[key] === value),
    );
    const replicas = spec.replicas ?? 1;
    for (let count = alive.length; count < replicas; count++)
      await this.#make(`${metadata.name}-${(this.#born++).toString(36).padStart(5, '0')}`, spec.selector.matchLabels);
    const goers = alive.toSorted((a, b) => rank(a) - rank(b)).slice(0, Math.max(0, alive.length - replicas));
    for (const { metadata: own } of goers) await this.#end(own.name);
  }

  /** All pods at once, by number; those above as many as are asked for go. One that is going keeps its name until it is gone. */
  async #matchOrdered({ metadata: { name: set }, spec }: FakeSet, pods: readonly FakePod[]): Promise<void> {
    const replicas = spec.replicas ?? 1;
    this.sizes.add(`${set} ${replicas}`);
    const own = pods.filter(({ metadata }) => metadata.name.replace(/-\d+$/, '') === set);
    for (let ordinal = 0; ordinal < replicas; ordinal++)
      if (!own.some(({ metadata }) => metadata.name === `${set}-${ordinal}`))
        await this.#make(`${set}-${ordinal}`, spec.selector.matchLabels);
    for (const { metadata } of own)
      if (Number(/\d+$/.exec(metadata.name)?.[0]) >= replicas && metadata.deletionTimestamp === undefined)
        await this.#end(metadata.name);
  }

  async #end(name: string): Promise<void> {
    this.ended.push(name);
    await this.#api.ask('DELETE', `${this.#pods}/${name}`, undefined, [404]);
  }

  async #make(name: string, labels: Record<string, string>): Promise<void> {
    const spec = {
      nodeName: 'node-1',
      automountServiceAccountToken: false,
      terminationGracePeriodSeconds: 60,
      containers: [{ name: 'worker', image: 'none' }],
    };
    await this.#api.ask('POST', this.#pods, { apiVersion: 'v1', kind: 'Pod', metadata: { name, labels }, spec });
  }

  #run({ metadata: { name, uid, deletionTimestamp } }: FakePod): void {
    if (deletionTimestamp === undefined) {
      if (!this.#starting.has(uid)) this.#starting.set(uid, { name, done: this.#start(name).catch(() => undefined) });
    } else if (!this.#stopping.has(uid)) {
      this.#stopping.set(
        uid,
        this.#stop(name, uid).catch(() => undefined),
      );
    }
  }

  async #start(name: string): Promise<void> {
    await this.#programs.start(name);
    const lastTransitionTime = new Date().toISOString().replace(/\.\d+Z$/, 'Z');
    const status = { phase: 'Running', conditions: [{ type: 'Ready', status: 'True', lastTransitionTime }] };
    await this.#api.ask('PATCH', `${this.#pods}/${name}/status`, { status }, [404]);
  }

  async #stop(name: string, uid: string): Promise<void> {
    await this.#starting.get(uid)?.done;
    await this.#programs.stop(name);
    await this.#api.ask('DELETE', `${this.#pods}/${name}?gracePeriodSeconds=0`, undefined, [404]);
  }
}

/** What is not ready goes first, then the lowest deletion cost. */
function rank({ metadata, status }: FakePod): number {
  const ready = status?.conditions?.some(({ type, status: state }) => type === 'Ready' && state === 'True');
  return ready ? Number(metadata.annotations?.[costKey] ?? 0) : Number.NEGATIVE_INFINITY;
}
