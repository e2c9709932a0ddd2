import { ArgosyError } from '#errors';

/** A pod as the API server has it. */
export interface PodView {
  readonly name: string;
  readonly createdAtMs: number;
  readonly readyAtMs?: number;
  readonly leaving: boolean;
  /** The deletion cost it has. */
  readonly cost: number;
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

/** The part of a cluster that an autoscaler needs, in one namespace. Every call has a deadline. */
export interface Cluster {
  /** @throws PoolMissing, Forbidden, ClusterAway */
  read(target: ScaleTarget): Promise<TargetView>;
  /** @throws Overtaken where the version is no longer the newest; PoolMissing, Forbidden, ClusterAway */
  writeScale(target: ScaleTarget, replicas: number, version: string): Promise<void>;
  /** Of pods that are to go, the one with the lowest cost goes first. @throws Forbidden, ClusterAway */
  setCost(pod: string, cost: number): Promise<void>;
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

/** The API server refuses the account of this process. */
export class Forbidden extends ArgosyError {
  override readonly name = 'Forbidden';
  readonly code = 'cluster_forbids';
  readonly retryable = true;
  constructor(what: string, options?: ErrorOptions) {
    super(`The cluster forbids this account to ${what}. Its Role must allow that.`, options);
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
