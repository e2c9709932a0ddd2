import type { Node, Pod } from './parts.ts';

/** How a tier's pods come and go. */
export interface PodTimes {
  /** Jobs that a worker holds; sessions that a group serves at full speed. */
  readonly slots: number;
  readonly coldStartMs: number;
  /** Until a new node is there, where no node has room. */
  readonly nodeMs: number;
  readonly podsPerNode: number;
  readonly graceMs: number;
  /** Nodes lost to the market, each per hour, with two minutes of notice. */
  readonly spotPerHour: number;
}

/** What is to happen at a time. */
export type Later = (atMs: number, what: (nowMs: number) => void) => void;

/** Whom a set tells of its pods. */
export interface PodEvents {
  ready(pod: Pod, nowMs: number): void;
  /** Its grace is over, and it still holds something, which must be taken out of it. */
  kill(pod: Pod, nowMs: number): void;
}

const nodeIdleMs = 600_000;
const noticeMs = 120_000;
const hour = 3_600_000;

/** What a set lives in. */
interface SetWorld {
  readonly later: Later;
  /** Dice of the market for spot nodes. */
  readonly market: () => number;
  readonly told: PodEvents;
}

/** The pods of one set on their nodes, with the rules by which a ReplicaSet picks those that go. */
export class PodSet {
  readonly pods: Pod[] = [];
  replicas = 0;
  coldStarts = 0;
  changes = 0;
  readonly times: PodTimes;
  private readonly world: SetWorld;
  private nodes: Node[] = [];

  constructor(times: PodTimes, world: SetWorld) {
    this.times = times;
    this.world = world;
  }

  scale(to: number, nowMs: number): void {
    if (to === this.replicas) return;
    this.changes++;
    this.replicas = to;
    this.mend(nowMs);
  }

  /** Ends these, whatever their cost, and starts what is then missing: units that are objects of their own. */
  replace(names: readonly string[], to: number, nowMs: number): void {
    this.changes++;
    this.replicas = to;
    for (const pod of this.pods) if (names.includes(pod.name)) this.end(pod, nowMs);
    this.mend(nowMs);
  }

  /** Creates and ends pods until as many live as were asked for. */
  mend(nowMs: number): void {
    const alive = this.pods.filter(({ ending }) => ending === undefined);
    for (let count = alive.length; count < this.replicas; count++) this.bear(nowMs);
    const rank = (pod: Pod): number => (pod.readyAtMs > nowMs ? Number.NEGATIVE_INFINITY : pod.cost);
    const order = alive.toSorted((a, b) => rank(a) - rank(b) || b.readyAtMs - a.readyAtMs);
    for (const pod of order.slice(0, Math.max(0, alive.length - this.replicas))) this.end(pod, nowMs);
  }

  end(pod: Pod, nowMs: number, graceMs = this.times.graceMs): void {
    if (pod.ending !== undefined) return;
    this.endBy(pod, nowMs + graceMs);
    this.remove(pod, nowMs);
  }

  private endBy(pod: Pod, killAtMs: number): void {
    pod.ending = { killAtMs };
    this.world.later(killAtMs, (nowMs) => this.kill(pod, nowMs));
  }

  private kill(pod: Pod, nowMs: number): void {
    if (pod.isGone || nowMs !== pod.ending?.killAtMs) return;
    this.world.told.kill(pod, nowMs);
    this.remove(pod, nowMs);
  }

  /** A node is taken away: its pods have until then to end, and others are asked for at once. */
  private lose(node: Node, nowMs: number): void {
    if (node.isGone) return;
    for (const pod of this.pods.filter((one) => one.node === node)) {
      if (pod.ending === undefined) this.end(pod, nowMs, noticeMs);
      else if (pod.ending.killAtMs > nowMs + noticeMs) this.endBy(pod, nowMs + noticeMs);
    }
    this.drop(node);
    this.mend(nowMs);
  }

  /** Those that take work. */
  open(nowMs: number): Pod[] {
    return this.pods.filter(
      ({ readyAtMs, ending, drainingSinceMs }) =>
        readyAtMs <= nowMs && ending === undefined && drainingSinceMs === undefined,
    );
  }

  /** A pod that ends and holds nothing is gone. */
  remove(pod: Pod, nowMs: number): void {
    if (pod.isGone || pod.ending === undefined || pod.jobs.length > 0) return;
    pod.isGone = true;
    this.pods.splice(this.pods.indexOf(pod), 1);
    const { node } = pod;
    if (--node.pods > 0 || node.isGone) return;
    node.emptySinceMs = nowMs;
    this.world.later(nowMs + nodeIdleMs, (atMs) => this.sweep(node, atMs));
  }

  /** Nodes without pods go after ten minutes. */
  private sweep(node: Node, nowMs: number): void {
    if (node.pods === 0 && nowMs - node.emptySinceMs >= nodeIdleMs) this.drop(node);
  }

  private drop(node: Node): void {
    node.isGone = true;
    this.nodes = this.nodes.filter((other) => other !== node);
  }

  private bear(nowMs: number): void {
    const node = this.place(nowMs);
    node.pods++;
    const readyAtMs = Math.max(nowMs, node.readyAtMs) + this.times.coldStartMs;
    const ordinal = this.coldStarts++;
    const name = `pod-${String(ordinal).padStart(6, '0')}`;
    const pod: Pod = { name, ordinal, createdAtMs: nowMs, readyAtMs, node, cost: 0, jobs: [], isGone: false };
    this.pods.push(pod);
    this.world.later(readyAtMs, (atMs) => {
      if (pod.ending === undefined) this.world.told.ready(pod, atMs);
    });
  }

  /** The fullest node that has room, or a new one. */
  private place(nowMs: number): Node {
    const { podsPerNode, nodeMs, spotPerHour } = this.times;
    const open = this.nodes.filter(({ pods }) => pods < podsPerNode);
    if (open.length > 0) return open.reduce((fullest, node) => (node.pods > fullest.pods ? node : fullest));
    const node: Node = { readyAtMs: nowMs + nodeMs, pods: 0, emptySinceMs: nowMs, isGone: false };
    this.nodes.push(node);
    const livesMs = (-Math.log(1 - this.world.market()) / spotPerHour) * hour;
    if (Number.isFinite(livesMs)) this.world.later(nowMs + livesMs, (atMs) => this.lose(node, atMs));
    return node;
  }
}

/** What a scaler may see of one tier: numbers as a metrics server has them, late or not at all. */
export interface Seen {
  readonly atMs: number;
  readonly waiting: number;
  readonly active: number;
  /** Share of the slots in use, added up over the pods that are ready. */
  readonly fullPods: number;
  readonly arrivedTotal: number;
  readonly finishedTotal: number;
  readonly oldestWaitMs: number;
}

/** One tier under one scaler. Called every 15 s; how often it looks is its own affair. */
export interface Scaler {
  look(set: PodSet, seen: Seen | undefined, nowMs: number): void;
  /** Pods that shall serve, as it decided last. */
  level(set: PodSet): number;
}
