/** A job's way through the simulated fleet; times in ms. */
export interface Job {
  readonly tenant: number;
  readonly workMs: number;
  doneMs: number;
  queuedAtMs: number;
  waitedMs: number;
}

export interface Pod {
  readonly name: string;
  readonly ordinal: number;
  readonly createdAtMs: number;
  readyAtMs: number;
  drainingSinceMs?: number;
  /** Since it was told to end, and when it is killed. */
  ending?: { readonly killAtMs: number };
  /** First to go when a set shrinks: the lowest. */
  cost: number;
  readonly jobs: Job[];
}

/** How a pool's pods come and go. */
export interface PodTimes {
  readonly slots: number;
  readonly coldStartMs: number;
  /** Until a new node is there, where no node has room. */
  readonly nodeMs: number;
  readonly podsPerNode: number;
  readonly graceMs: number;
  /** Jobs of a pod that ends go on elsewhere from their next step, rather than run to their end in its grace. */
  readonly handsOver: boolean;
}

const nodeIdleMs = 600_000;

/** The pods of one set, with the rules by which a ReplicaSet picks those that go. */
export class PodSet {
  readonly pods: Pod[] = [];
  replicas = 0;
  coldStarts = 0;
  changes = 0;
  readonly times: PodTimes;
  private born = 0;
  private nodes: { readyAtMs: number; emptySinceMs: number }[] = [];

  constructor(times: PodTimes) {
    this.times = times;
  }

  scale(to: number, nowMs: number): void {
    if (to === this.replicas) return;
    this.changes++;
    this.replicas = to;
    this.mend(nowMs);
  }

  /** Creates and removes pods until as many live as were asked for. */
  mend(nowMs: number): void {
    const alive = this.pods.filter(({ ending }) => ending === undefined);
    for (let count = alive.length; count < this.replicas; count++) this.bear(nowMs);
    const rank = (pod: Pod): number => (pod.readyAtMs > nowMs ? Number.NEGATIVE_INFINITY : pod.cost);
    const order = alive.toSorted((a, b) => rank(a) - rank(b) || b.readyAtMs - a.readyAtMs);
    for (const pod of order.slice(0, Math.max(0, alive.length - this.replicas))) this.end(pod, nowMs);
  }

  end(pod: Pod, nowMs: number, graceMs = this.times.graceMs): void {
    pod.ending ??= { killAtMs: nowMs + graceMs };
  }

  ready(nowMs: number): Pod[] {
    return this.pods.filter((pod) => pod.readyAtMs <= nowMs && pod.ending === undefined);
  }

  remove(pod: Pod): void {
    this.pods.splice(this.pods.indexOf(pod), 1);
  }

  /** Nodes without pods go after ten minutes. */
  sweepNodes(nowMs: number): void {
    const needed = Math.ceil(this.pods.length / this.times.podsPerNode);
    this.nodes.forEach((node, index) => {
      if (index < needed) node.emptySinceMs = nowMs;
    });
    this.nodes = this.nodes.filter(({ emptySinceMs }) => nowMs - emptySinceMs < nodeIdleMs);
  }

  private bear(nowMs: number): void {
    const place = Math.floor(this.pods.length / this.times.podsPerNode);
    if (this.nodes[place] === undefined) this.nodes.push({ readyAtMs: nowMs + this.times.nodeMs, emptySinceMs: nowMs });
    const nodeAtMs = this.nodes[place]?.readyAtMs ?? nowMs;
    const readyAtMs = Math.max(nowMs, nodeAtMs) + this.times.coldStartMs;
    const ordinal = this.born++;
    const name = `pod-${String(ordinal).padStart(6, '0')}`;
    this.pods.push({ name, ordinal, createdAtMs: nowMs, readyAtMs, cost: 0, jobs: [] });
    this.coldStarts++;
  }
}

/** What a scaler may see of one tier: numbers as a metrics server has them, late or not at all. */
export interface Seen {
  readonly atMs: number;
  readonly waiting: number;
  readonly active: number;
  readonly arrivedTotal: number;
  readonly finishedTotal: number;
  readonly oldestWaitMs: number;
}

/** One tier under one scaler. Called every 5 s; how often it looks is its own affair. */
export interface Scaler {
  look(set: PodSet, seen: Seen | undefined, nowMs: number): void;
}
