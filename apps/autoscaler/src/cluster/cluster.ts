import { ArgosyError } from '#errors';

/** A pod as the API server has it. */
export interface PodView {
  readonly name: string;
  readonly createdAtMs: number;
  readonly readyAtMs?: number;
  readonly leaving: boolean;
  /** The deletion cost it has. */
  readonly cost: number;
  /** When what runs in it was told to drain, by the clock of whoever told it. */
  readonly drainsSinceMs?: number;
}

/** What a scale subresource belongs to. */
export interface ScaleTarget {
  readonly kind: 'Deployment' | 'StatefulSet';
  readonly name: string;
}

/** What it asks for at one version of it, and the pods that it has. */
export interface TargetView {
  readonly replicas: number;
  readonly version: string;
  readonly pods: readonly PodView[];
}

/** A duty that one process has at a time, as the Lease that says so. */
export interface LeaseView {
  readonly holder: string;
  readonly durationMs: number;
  readonly version: string;
}

/** What the holder of a duty writes. */
export interface LeaseClaim {
  readonly holder: string;
  readonly durationMs: number;
  /** ISO 8601, for people: nobody decides by it. */
  readonly renewedAt: string;
}

/** Tells who else scales a target. */
export type OtherOwners = (target: ScaleTarget) => string | undefined;

/** The part of a cluster that an autoscaler needs, in one namespace. Every call has a deadline, and may throw AccountUnknown. */
export interface Cluster {
  /** @throws PoolMissing, Forbidden, ClusterAway */
  read(target: ScaleTarget): Promise<TargetView>;
  /** @throws Overtaken where the version is no longer the newest; PoolMissing, Forbidden, ClusterAway */
  writeScale(target: ScaleTarget, replicas: number, version: string): Promise<void>;
  /** Of pods that are to go, the one with the lowest cost goes first. @throws Forbidden, ClusterAway */
  setCost(pod: string, cost: number): Promise<void>;
  /** Keeps with a pod since when it drains, for whoever leads next; null: it does not. @throws Forbidden, ClusterAway */
  setDrainStart(pod: string, sinceMs: number | null): Promise<void>;
  /** Who else scales anything: the HorizontalPodAutoscaler or ScaledObject, by what it names. @throws Forbidden, ClusterAway */
  otherOwners(): Promise<OtherOwners>;
  readLease(name: string): Promise<LeaseView | undefined>;
  /** @throws Overtaken where somebody else wrote it since; Forbidden, ClusterAway */
  writeLease(name: string, lease: LeaseClaim, version: string | undefined): Promise<void>;
}

/** The object that a pool scales is not there. */
export class PoolMissing extends ArgosyError {
  override readonly name = 'PoolMissing';
  readonly code = 'pool_missing';
  readonly retryable = true;
  constructor(what: string, namespace: string, options?: ErrorOptions) {
    super(`There is no ${what} in ${namespace}. Name one that exists in ARGOSY_POOLS_FILE.`, options);
  }
}

/** Somebody else changed the object since it was read. */
export class Overtaken extends ArgosyError {
  override readonly name = 'Overtaken';
  readonly code = 'overtaken';
  readonly retryable = true;
  constructor(what: string, options?: ErrorOptions) {
    super(`${what} was changed by somebody else since it was read. It is read again in the next round.`, options);
  }
}

/** A right of an account, in the words of a Role. */
export interface Right {
  readonly verb: 'get' | 'list' | 'create' | 'update' | 'patch';
  /** Plural, with the subresource where it is of one: `deployments/scale`. */
  readonly resource: string;
  /** The API group; empty for the core's. */
  readonly group: string;
  /** The object, where it has a name. */
  readonly object?: string;
}

/** The API server refuses the account of this process. */
export class Forbidden extends ArgosyError {
  override readonly name = 'Forbidden';
  readonly code = 'cluster_forbids';
  readonly retryable = true;
  constructor(what: string, right: Right, namespace: string, options?: ErrorOptions) {
    super(
      `The cluster forbids this account to ${what}. Its Role in ${namespace} must allow ${inWords(right)}.`,
      options,
    );
  }
}

function inWords({ verb, resource, group, object }: Right): string {
  const of = group === '' ? '' : ` (API group ${group})`;
  const named = object === undefined ? '' : `, also where rules name objects: for ${object}`;
  return `the verb ${verb} on ${resource}${of}${named}`;
}

/** The API server does not know who this process is. */
export class AccountUnknown extends ArgosyError {
  override readonly name = 'AccountUnknown';
  readonly code = 'cluster_account_unknown';
  readonly retryable = true;
  constructor(what: string, options?: ErrorOptions) {
    super(
      `The cluster does not know the account that was to ${what}: its token is wrong or out of date. Mount the token of its ServiceAccount into the pod, or name a kubeconfig in ARGOSY_KUBECONFIG.`,
      options,
    );
  }
}

/** The API server did not answer, or not with anything of use. */
export class ClusterAway extends ArgosyError {
  override readonly name = 'ClusterAway';
  readonly code = 'cluster_away';
  readonly retryable = true;
  constructor(what: string, why: string, options?: ErrorOptions) {
    super(`The API server could not be asked to ${what}: ${why}. Nothing is scaled until it answers.`, options);
  }
}
