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
  type Cluster,
  ClusterAway,
  Forbidden,
  type LeaseClaim,
  type LeaseView,
  Overtaken,
  type PodView,
  PoolMissing,
  type ScaleView,
} from './cluster.ts';

type Client = typeof import('@kubernetes/client-node');

/** Where the API server is and as whom to speak to it. */
export interface ClusterAddress {
  /** A kubeconfig; without one, the account that the cluster gave this pod. */
  readonly kubeconfigFile?: string;
  readonly namespace: string;
}

/** An answer later than this is none. */
const limitMs = 10_000;
const costKey = 'controller.kubernetes.io/pod-deletion-cost';
/** Pods of one page: a list of thousands must not be one answer. */
const pageSize = 500;

/** Loads the client, which is large, only where it is needed. @throws ClusterAway where there is no cluster to speak to */
export async function openCluster({ kubeconfigFile, namespace }: ClusterAddress): Promise<Cluster> {
  const client = await import('@kubernetes/client-node');
  const config = new client.KubeConfig();
  try {
    if (kubeconfigFile === undefined) config.loadFromCluster();
    else config.loadFromFile(kubeconfigFile);
  } catch (cause) {
    throw new ClusterAway('let this process in', messageOf(cause), { cause });
  }
  return new KubernetesCluster(client, config, namespace);
}

class KubernetesCluster implements Cluster {
  readonly #client: Client;
  readonly #namespace: string;
  readonly #apps: AppsV1Api;
  readonly #core: InstanceType<Client['CoreV1Api']>;
  readonly #leases: CoordinationV1Api;
  readonly #hpas: InstanceType<Client['AutoscalingV2Api']>;
  readonly #custom: CustomObjectsApi;

  constructor(client: Client, config: InstanceType<Client['KubeConfig']>, namespace: string) {
    this.#client = client;
    this.#namespace = namespace;
    this.#apps = config.makeApiClient(client.AppsV1Api);
    this.#core = config.makeApiClient(client.CoreV1Api);
    this.#leases = config.makeApiClient(client.CoordinationV1Api);
    this.#hpas = config.makeApiClient(client.AutoscalingV2Api);
    this.#custom = config.makeApiClient(client.CustomObjectsApi);
  }

  async readScale(name: string): Promise<ScaleView> {
    const call = this.#apps.readNamespacedDeploymentScale({ name, namespace: this.#namespace });
    const { spec, metadata } = await this.#asked(`read the scale of ${name}`, call, name);
    return { replicas: spec?.replicas ?? 0, version: metadata?.resourceVersion ?? '' };
  }

  async writeScale(name: string, replicas: number, version: string): Promise<void> {
    const namespace = this.#namespace;
    const metadata = { name, namespace, resourceVersion: version };
    const body = { apiVersion: 'autoscaling/v1', kind: 'Scale', metadata, spec: { replicas } };
    const call = this.#apps.replaceNamespacedDeploymentScale({ name, namespace, body });
    await this.#asked(`scale ${name}`, call, name);
  }

  async pods(name: string): Promise<readonly PodView[]> {
    const namespace = this.#namespace;
    const what = `list the pods of ${name}`;
    const { spec } = await this.#asked(what, this.#apps.readNamespacedDeployment({ name, namespace }), name);
    const labels = Object.entries(spec?.selector.matchLabels ?? {});
    const labelSelector = labels.map(([key, value]) => `${key}=${value}`).join(',');
    const found: PodView[] = [];
    let next: string | undefined;
    do {
      const page = { namespace, labelSelector, limit: pageSize, ...(next === undefined ? {} : { _continue: next }) };
      const { items, metadata } = await this.#asked(what, this.#core.listNamespacedPod(page));
      found.push(...items.filter(lives).map(podView));
      next = metadata?._continue === '' ? undefined : metadata?._continue;
    } while (next !== undefined);
    return found;
  }

  async setCost(name: string, cost: number): Promise<void> {
    const body = { metadata: { annotations: { [costKey]: String(cost) } } };
    const { setHeaderOptions, PatchStrategy } = this.#client;
    const merge = setHeaderOptions('Content-Type', PatchStrategy.MergePatch);
    const call = this.#core.patchNamespacedPod({ name, namespace: this.#namespace, body }, merge);
    await this.#asked(`annotate pod ${name}`, call);
  }

  async otherOwner(name: string): Promise<string | undefined> {
    const namespace = this.#namespace;
    const { items } = await this.#asked(
      'list HorizontalPodAutoscalers',
      this.#hpas.listNamespacedHorizontalPodAutoscaler({ namespace }),
    );
    const hpa = items.find(
      ({ spec }) => spec?.scaleTargetRef.kind === 'Deployment' && spec.scaleTargetRef.name === name,
    );
    if (hpa !== undefined) return `HorizontalPodAutoscaler ${hpa.metadata?.name}`;
    return await this.#scaledObject(name);
  }

  /** KEDA's kind need not be known to the cluster. */
  async #scaledObject(name: string): Promise<string | undefined> {
    const kind = { group: 'keda.sh', version: 'v1alpha1', plural: 'scaledobjects' };
    const call: Promise<{ items?: ScaledObject[] }> = this.#custom.listNamespacedCustomObject({
      ...kind,
      namespace: this.#namespace,
    });
    try {
      const { items = [] } = await this.#asked('list ScaledObjects', call, name);
      const found = items.find(({ spec }) => spec?.scaleTargetRef?.name === name);
      return found === undefined ? undefined : `ScaledObject ${found.metadata?.name}`;
    } catch (error) {
      if (error instanceof PoolMissing) return undefined;
      throw error;
    }
  }

  async readLease(name: string): Promise<LeaseView | undefined> {
    const call = this.#leases.readNamespacedLease({ name, namespace: this.#namespace });
    try {
      return leaseView(await this.#asked(`read the Lease ${name}`, call, name));
    } catch (error) {
      if (error instanceof PoolMissing) return undefined;
      throw error;
    }
  }

  async writeLease(name: string, lease: LeaseClaim, version: string | undefined): Promise<void> {
    const namespace = this.#namespace;
    const { V1MicroTime } = this.#client;
    const body: V1Lease = {
      metadata: { name, namespace, ...(version === undefined ? {} : { resourceVersion: version }) },
      spec: {
        holderIdentity: lease.holder,
        leaseDurationSeconds: Math.ceil(lease.durationMs / 1_000),
        renewTime: new V1MicroTime(lease.renewedAt),
      },
    };
    const call =
      version === undefined
        ? this.#leases.createNamespacedLease({ namespace, body })
        : this.#leases.replaceNamespacedLease({ name, namespace, body });
    await this.#asked(`write the Lease ${name}`, call, name);
  }

  /** @param object what a 404 says is missing */
  async #asked<T>(what: string, call: Promise<T>, object?: string): Promise<T> {
    const late = Promise.withResolvers<never>();
    const timer = setTimeout(() => late.reject(new ClusterAway(what, `no answer within ${limitMs} ms`)), limitMs);
    call.catch(() => undefined);
    try {
      return await Promise.race([call, late.promise]);
    } catch (cause) {
      throw this.#fault(what, cause, object);
    } finally {
      clearTimeout(timer);
    }
  }

  #fault(what: string, cause: unknown, object: string | undefined): unknown {
    if (cause instanceof ClusterAway) return cause;
    const code = cause instanceof this.#client.ApiException ? (cause as ApiException<unknown>).code : 0;
    if (code === 404 && object !== undefined) return new PoolMissing(object, this.#namespace, { cause });
    if (code === 409) return new Overtaken(object ?? what, { cause });
    if (code === 401 || code === 403) return new Forbidden(what, { cause });
    return new ClusterAway(what, code === 0 ? messageOf(cause) : `it answered ${code}`, { cause });
  }
}

interface ScaledObject {
  readonly metadata?: { readonly name?: string };
  readonly spec?: { readonly scaleTargetRef?: { readonly name?: string } };
}

/** Ended pods stay listed for a while. */
function lives({ status }: V1Pod): boolean {
  return status?.phase !== 'Succeeded' && status?.phase !== 'Failed';
}

function podView({ metadata, status }: V1Pod): PodView {
  const ready = status?.conditions?.find(({ type, status: state }) => type === 'Ready' && state === 'True');
  const readyAtMs =
    ready === undefined ? undefined : (ready.lastTransitionTime ?? metadata?.creationTimestamp)?.getTime();
  return {
    name: metadata?.name ?? '',
    createdAtMs: metadata?.creationTimestamp?.getTime() ?? 0,
    ...(readyAtMs === undefined ? {} : { readyAtMs }),
    leaving: metadata?.deletionTimestamp !== undefined,
    cost: Number(metadata?.annotations?.[costKey] ?? 0) || 0,
  };
}

function leaseView({ metadata, spec }: V1Lease): LeaseView {
  return {
    holder: spec?.holderIdentity ?? '',
    durationMs: (spec?.leaseDurationSeconds ?? 0) * 1_000,
    version: metadata?.resourceVersion ?? '',
  };
}
