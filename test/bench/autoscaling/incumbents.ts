import type { PodSet, Scaler, Seen } from './pods.ts';

/** The rules of the HorizontalPodAutoscaler (kubernetes 1.36, pkg/controller/podautoscaler) and of KEDA in front of it. */
export interface Rules {
  readonly min: number;
  readonly max: number;
  /** What one pod shall have of the metric. */
  readonly target: number;
  readonly windowMs: number;
  readonly metric: 'waiting' | 'waiting-and-active' | 'share-of-slots';
  /** KEDA alone goes to and from 0, when nothing was seen for its cool-down. */
  readonly cooldownMs: number;
  /** Somebody keeps the pods' deletion costs at their number of jobs. */
  readonly deletionCost: boolean;
}

const syncMs = 15_000;
const pollMs = 30_000;
const tolerance = 0.1;

/** The horizontal autoscaler: a ratio to the target, a tolerance, a window for going down, a rate for going up. */
export class Horizontal implements Scaler {
  private readonly rules: Rules;
  private recommended: { readonly atMs: number; readonly level: number }[] = [];
  private activeAtMs = 0;

  constructor(rules: Rules) {
    this.rules = rules;
  }

  look(set: PodSet, seen: Seen | undefined, nowMs: number): void {
    if (this.rules.deletionCost) for (const pod of set.pods) pod.cost = pod.jobs.length;
    if (set.replicas < this.rules.min) set.scale(this.rules.min, nowMs);
    if (seen === undefined) return;
    const value = this.value(seen);
    if (value > 0) this.activeAtMs = nowMs;
    if (set.replicas === 0) {
      if (nowMs % pollMs === 0 && value > 0) set.scale(1, nowMs);
      return;
    }
    if (this.rules.min === 0 && nowMs - this.activeAtMs >= this.rules.cooldownMs) {
      if (nowMs % pollMs === 0) set.scale(0, nowMs);
      return;
    }
    if (nowMs % syncMs === 0) set.scale(this.stabilised(set, value, nowMs), nowMs);
  }

  private value(seen: Seen): number {
    if (this.rules.metric === 'waiting') return seen.waiting;
    if (this.rules.metric === 'waiting-and-active') return seen.waiting + seen.active;
    return seen.fullPods;
  }

  level(set: PodSet): number {
    return set.replicas;
  }

  private stabilised(set: PodSet, value: number, nowMs: number): number {
    const { target, windowMs, min, max } = this.rules;
    const current = set.replicas;
    const ratio = value / (target * current);
    const plain = Math.abs(1 - ratio) <= tolerance ? current : Math.ceil(value / target);
    this.recommended = this.recommended.filter(({ atMs }) => atMs > nowMs - windowMs);
    this.recommended.push({ atMs: nowMs, level: plain });
    const highest = Math.max(...this.recommended.map(({ level }) => level));
    const wanted = plain >= current ? plain : Math.min(current, highest);
    const limited = Math.min(wanted, Math.max(current + 4, current * 2));
    return Math.min(max, Math.max(1, min, limited));
  }
}

/** KEDA's ScaledJob with its default strategy: a pod of its own for each job in the queue or in work. */
export class PodPerJob implements Scaler {
  private readonly max: number;

  constructor(max: number) {
    this.max = max;
  }

  look(set: PodSet, seen: Seen | undefined, nowMs: number): void {
    if (seen === undefined || nowMs % pollMs !== 0) return;
    const wanted = Math.min(seen.waiting + seen.active, this.max);
    if (wanted > set.replicas) set.scale(wanted, nowMs);
  }

  level(set: PodSet): number {
    return set.replicas;
  }
}
