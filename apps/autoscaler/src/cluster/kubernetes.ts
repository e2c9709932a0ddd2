import type {
  ApiException,
  AppsV1Api,
  CoordinationV1Api,
  CustomObjectsApi,
  V1Lease,
  V1Pod,
} from '@kubernetes/client-node';
import { messageOf } from '#errors';
import {
  AccountUnknown,
  type Cluster,
  ClusterAway,
  Forbidden,
  type LeaseClaim,
  type LeaseView,
  type OtherOwners,
  Overtaken,
  type PodView,
  PoolMissing,
  type Right,
  type ScaleTarget,
  type TargetView,
} from './cluster.ts';

type Client = typeof import('@kubernetes/client-node');

/** Where the API server is and as whom to speak to it. */
export interface ClusterAddress {
  /** A kubeconfig; without one, the account that the cluster gave this pod. */
  readonly kubeconfigFile?: string;
  readonly namespace: string;
  /** An answer that comes later is none; 10 s where it is not said. */
  readonly answerMs?: number;
}

const usualAnswerMs = 10_000;
/** Pods of one page: a list of thousands must not be one answer. */
const pageSize = 500;
const costKey = 'controller.kubernetes.io/pod-deletion-cost';
const drainKey = 'argosy.dev/drains-since';

/** Loads the client, which is large, only where it is needed. @throws ClusterAway where there is no cluster to speak to */
export async function openCluster({ kubeconfigFile, ...where }: ClusterAddress): Promise<Cluster> {
  const client = await import('@kubernetes/client-node');
  const config = new client.KubeConfig();
  try {
    if (kubeconfigFile === undefined) config.loadFromCluster();
    else config.loadFromFile(kubeconfigFile);
  } catch (cause) {
    throw new ClusterAway('let this process in', messageOf(cause), { cause });
  }
  return new KubernetesCluster(client, config, where);
}

class KubernetesCluster implements Cluster {
  readonly #client: Client;
  readonly #namespace: string;
  readonly #answerMs: number;
  readonly #apps: AppsV1Api;
  readonly #core: InstanceType<Client['CoreV1Api']>;
  readonly #leases: CoordinationV1Api;
  readonly #hpas: InstanceType<Client['AutoscalingV2Api']>;
  readonly #custom: CustomObjectsApi;
  /** Leases as they were last read. */
  readonly #found = new Map<string, V1Lease>();

  constructor(
    client: Client,
    config: InstanceType<Client['KubeConfig']>,
    { namespace, answerMs = usualAnswerMs }: Omit<ClusterAddress, 'kubeconfigFile'>,
  ) {
    this.#answerMs = answerMs;
    this.#client = client;
    this.#namespace = namespace;
    this.#apps = config.makeApiClient(client.AppsV1Api);
    this.#core = config.makeApiClient(client.CoreV1Api);
    this.#leases = config.makeApiClient(client.CoordinationV1Api);
    this.#hpas = config.makeApiClient(client.AutoscalingV2Api);
    this.#custom = config.makeApiClient(client.CustomObjectsApi);
  }

  async read({ kind, name }: ScaleTarget): Promise<TargetView> {
    const at = { name, namespace: this.#namespace };
    const call =
      kind === 'Deployment' ? this.#apps.readNamespacedDeployment(at) : this.#apps.readNamespacedStatefulSet(at);
    const right = { verb: 'get', resource: pluralOf[kind], group: 'apps', object: name } as const;
    const { spec, metadata } = await this.#asked<Selecting>(
      { what: `read ${name}`, right, of: `${kind} ${name}` },
      call,
    );
    const pods = await this.#pods(name, spec?.selector.matchLabels ?? {});
    return { replicas: spec?.replicas ?? 1, version: metadata?.resourceVersion ?? '', pods };
  }

  async writeScale({ kind, name }: ScaleTarget, replicas: number, version: string): Promise<void> {
    const namespace = this.#namespace;
    const metadata = { name, namespace, resourceVersion: version };
    const body = { apiVersion: 'autoscaling/v1', kind: 'Scale', metadata, spec: { replicas } };
    const call =
      kind === 'Deployment'
        ? this.#apps.replaceNamespacedDeploymentScale({ name, namespace, body })
        : this.#apps.replaceNamespacedStatefulSetScale({ name, namespace, body });
    const right = { verb: 'update', resource: `${pluralOf[kind]}/scale`, group: 'apps', object: name } as const;
    await this.#asked({ what: `scale ${name}`, right, of: `${kind} ${name}` }, call);
  }

  /** As they are now: what a round does to them is worked out from what it reads, and never from what it was told before. */
  async #pods(name: string, labels: Readonly<Record<string, string>>): Promise<readonly PodView[]> {
    const labelSelector = Object.entries(labels)
      .map(([key, value]) => `${key}=${value}`)
      .join(',');
    const found: PodView[] = [];
    let next: string | undefined;
    do {
      const page = { namespace: this.#namespace, labelSelector, limit: pageSize };
      const call = this.#core.listNamespacedPod({ ...page, ...(next === undefined ? {} : { _continue: next }) });
      const right = { verb: 'list', resource: 'pods', group: '' } as const;
      const { items, metadata } = await this.#asked({ what: `list the pods of ${name}`, right }, call);
      found.push(...items.filter(lives).map(podView));
      next = metadata?._continue === '' ? undefined : metadata?._continue;
    } while (next !== undefined);
    return found;
  }

  async setCost(name: string, cost: number): Promise<void> {
    await this.#annotate(name, { [costKey]: String(cost) });
  }

  async setDrainStart(name: string, sinceMs: number | null): Promise<void> {
    await this.#annotate(name, { [drainKey]: sinceMs === null ? null : new Date(sinceMs).toISOString() });
  }

  /** Null takes an annotation away. */
  async #annotate(name: string, annotations: Readonly<Record<string, string | null>>): Promise<void> {
    const { setHeaderOptions, PatchStrategy } = this.#client;
    const merge = setHeaderOptions('Content-Type', PatchStrategy.MergePatch);
    const body = { metadata: { annotations } };
    const call = this.#core.patchNamespacedPod({ name, namespace: this.#namespace, body }, merge);
    const right = { verb: 'patch', resource: 'pods', group: '' } as const;
    await this.#asked({ what: `annotate pod ${name}`, right }, call);
  }

  async otherOwners(): Promise<OtherOwners> {
    const namespace = this.#namespace;
    const hpas = this.#hpas.listNamespacedHorizontalPodAutoscaler({ namespace });
    const right = { verb: 'list', resource: 'horizontalpodautoscalers', group: 'autoscaling' } as const;
    const [{ items }, scaledObjects] = await Promise.all([
      this.#asked({ what: 'list HorizontalPodAutoscalers', right }, hpas),
      this.#scaledObjects(),
    ]);
    const owners = new Map<string, string>();
    for (const { metadata, spec } of scaledObjects) {
      const { kind = 'Deployment', name } = spec?.scaleTargetRef ?? {};
      owners.set(`${kind} ${name}`, `ScaledObject ${metadata?.name}`);
    }
    for (const { metadata, spec } of items)
      owners.set(
        `${spec?.scaleTargetRef.kind} ${spec?.scaleTargetRef.name}`,
        `HorizontalPodAutoscaler ${metadata?.name}`,
      );
    return ({ kind, name }) => owners.get(`${kind} ${name}`);
  }

  /** KEDA's kind need not be known to the cluster. */
  async #scaledObjects(): Promise<readonly ScaledObject[]> {
    const kind = { group: 'keda.sh', version: 'v1alpha1', plural: 'scaledobjects' };
    const call: Promise<{ items?: ScaledObject[] }> = this.#custom.listNamespacedCustomObject({
      ...kind,
      namespace: this.#namespace,
    });
    const right = { verb: 'list', resource: kind.plural, group: kind.group } as const;
    try {
      return (await this.#asked({ what: 'list ScaledObjects', right, of: kind.plural }, call)).items ?? [];
    } catch (error) {
      if (error instanceof PoolMissing) return [];
      throw error;
    }
  }

  async readLease(name: string): Promise<LeaseView | undefined> {
    const call = this.#leases.readNamespacedLease({ name, namespace: this.#namespace });
    const right = { verb: 'get', ...leaseKind, object: name } as const;
    try {
      const lease = await this.#asked({ what: `read the Lease ${name}`, right, of: name }, call);
      this.#found.set(name, lease);
      return leaseView(lease);
    } catch (error) {
      if (error instanceof PoolMissing) return undefined;
      throw error;
    }
  }

  async writeLease(name: string, lease: LeaseClaim, version: string | undefined): Promise<void> {
    const namespace = this.#namespace;
    const found = this.#found.get(name);
    const before = found?.metadata?.resourceVersion === version ? found : undefined;
    const body = this.#claimed(before, lease);
    body.metadata = {
      ...body.metadata,
      name,
      namespace,
      ...(version === undefined ? {} : { resourceVersion: version }),
    };
    const [call, right] =
      version === undefined
        ? [this.#leases.createNamespacedLease({ namespace, body }), { verb: 'create', ...leaseKind } as const]
        : [
            this.#leases.replaceNamespacedLease({ name, namespace, body }),
            { verb: 'update', ...leaseKind, object: name } as const,
          ];
    await this.#asked({ what: `write the Lease ${name}`, right, of: name }, call);
  }

  /** What others keep in it, another release for one, stays there. */
  #claimed(before: V1Lease | undefined, { holder, durationMs, renewedAt }: LeaseClaim): V1Lease {
    const at = new this.#client.V1MicroTime(renewedAt);
    const spec = before?.spec ?? {};
    const leaseTransitions = before === undefined ? 0 : (spec.leaseTransitions ?? 0) + 1;
    const taken = holder === '' || spec.holderIdentity === holder ? {} : { acquireTime: at, leaseTransitions };
    const claim = { holderIdentity: holder, leaseDurationSeconds: Math.ceil(durationMs / 1_000), renewTime: at };
    return { ...before, spec: { ...spec, ...taken, ...claim } };
  }

  async #asked<T>(question: Question, call: Promise<T>): Promise<T> {
    const { what } = question;
    const late = Promise.withResolvers<never>();
    const ms = this.#answerMs;
    const timer = setTimeout(() => late.reject(new ClusterAway(what, `no answer within ${ms} ms`)), ms);
    call.catch(() => undefined);
    try {
      return await Promise.race([call, late.promise]);
    } catch (cause) {
      throw this.#fault(question, cause);
    } finally {
      clearTimeout(timer);
    }
  }

  #fault({ what, right, of }: Question, cause: unknown): unknown {
    if (cause instanceof ClusterAway) return cause;
    const code = cause instanceof this.#client.ApiException ? (cause as ApiException<unknown>).code : 0;
    if (code === 404 && of !== undefined) return new PoolMissing(of, this.#namespace, { cause });
    if (code === 409) return new Overtaken(of ?? what, { cause });
    if (code === 401) return new AccountUnknown(what, { cause });
    if (code === 403) return new Forbidden(what, right, this.#namespace, { cause });
    return new ClusterAway(what, code === 0 ? messageOf(cause) : `it answered ${code}`, { cause });
  }
}

/** What is asked of the API server, and as what right; `of`: what a 404 says is missing. */
interface Question {
  readonly what: string;
  readonly right: Right;
  readonly of?: string;
}

const pluralOf = { Deployment: 'deployments', StatefulSet: 'statefulsets' } as const;
const leaseKind = { resource: 'leases', group: 'coordination.k8s.io' } as const;

interface ScaledObject {
  readonly metadata?: { readonly name?: string };
  readonly spec?: { readonly scaleTargetRef?: { readonly kind?: string; readonly name?: string } };
}

/** A Deployment or a StatefulSet, so far as a scaler reads it. */
interface Selecting {
  readonly metadata?: { readonly resourceVersion?: string };
  readonly spec?: { readonly replicas?: number; readonly selector: { readonly matchLabels?: Record<string, string> } };
}

/** Ended pods stay listed for a while. */
function lives({ status }: V1Pod): boolean {
  return status?.phase !== 'Succeeded' && status?.phase !== 'Failed';
}

function podView({ metadata, status }: V1Pod): PodView {
  const ready = status?.conditions?.find(({ type, status: state }) => type === 'Ready' && state === 'True');
  const readyAtMs =
    ready === undefined ? undefined : (ready.lastTransitionTime ?? metadata?.creationTimestamp)?.getTime();
  const drainsSinceMs = Date.parse(metadata?.annotations?.[drainKey] ?? '');
  return {
    name: metadata?.name ?? '',
    createdAtMs: metadata?.creationTimestamp?.getTime() ?? 0,
    ...(readyAtMs === undefined ? {} : { readyAtMs }),
    leaving: metadata?.deletionTimestamp !== undefined,
    cost: Number(metadata?.annotations?.[costKey] ?? 0) || 0,
    ...(Number.isNaN(drainsSinceMs) ? {} : { drainsSinceMs }),
  };
}

function leaseView({ metadata, spec }: V1Lease): LeaseView {
  return {
    holder: spec?.holderIdentity ?? '',
    durationMs: (spec?.leaseDurationSeconds ?? 0) * 1_000,
    version: metadata?.resourceVersion ?? '',
  };
}
