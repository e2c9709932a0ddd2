/** A run's way through the simulated fleet; times in ms. */
export interface Job {
  readonly tenant: number;
  readonly acceptedAtMs: number;
  /** Of an undisturbed run. */
  readonly workMs: number;
  doneMs: number;
  state: 'coming' | 'queued' | 'running' | 'refused' | 'done';
  /** Since it last had no slot. */
  queuedAtMs: number;
  waitedMs: number;
  /** The worker that holds it, and the inference group that has its session. */
  worker: Pod | undefined;
  group: Pod | undefined;
  /** The turn that runs; grows when one is begun or broken off. */
  turn: number;
  beganMs: number;
}

export interface Node {
  readonly readyAtMs: number;
  pods: number;
  emptySinceMs: number;
  isGone: boolean;
}

export interface Pod {
  readonly name: string;
  readonly ordinal: number;
  readonly createdAtMs: number;
  readonly readyAtMs: number;
  readonly node: Node;
  drainingSinceMs?: number;
  /** Since it was told to end, and when it is killed. */
  ending?: { readonly killAtMs: number };
  /** First to go when a set shrinks: the lowest. */
  cost: number;
  /** Of a worker its slots in use; of a group its sessions. */
  readonly jobs: Job[];
  isGone: boolean;
}
