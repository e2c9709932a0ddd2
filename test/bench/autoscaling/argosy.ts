import { type Action, decide, type PoolMemory, type PoolPolicy, type Signals, tableOf, type Unit } from '#autoscaler';
import { contextOf, running } from './inference.ts';
import type { Pod } from './parts.ts';
import type { PodSet, Scaler, Seen } from './pods.ts';

const unbounded = { gpus: 1_000_000, gpusByTenant: {}, moneyPerDay: 0 };

/** What a pool of one tier looks like to the autoscaler, and what its actions do, as apps/autoscaler has it. */
interface View {
  unitOf(pod: Pod, nowMs: number): Unit;
  scale(set: PodSet, action: Extract<Action, { kind: 'scale' }>, nowMs: number): void;
}

/** decide() of the autoscaler, with the simulated set in place of the cluster. */
export class Argosy implements Scaler {
  private readonly policy: PoolPolicy;
  private readonly view: View;
  private memory: PoolMemory | undefined;
  private known: Signals | undefined;

  constructor(policy: PoolPolicy, view: View) {
    this.policy = policy;
    this.view = view;
  }

  look(set: PodSet, seen: Seen | undefined, nowMs: number): void {
    this.known = seen ?? this.known;
    if (this.known === undefined) return;
    const units = tableOf(set.pods.map((pod) => this.view.unitOf(pod, nowMs)));
    const memory = this.memory === undefined ? {} : { memory: this.memory };
    const pool = { policy: this.policy, replicas: set.replicas, units, signals: this.known, ...memory };
    const decision = decide({ nowMs, pools: [pool], budgets: unbounded }).decisions[0];
    this.memory = decision?.memory;
    for (const action of decision?.actions ?? []) this.perform(action, set, nowMs);
  }

  level(set: PodSet): number {
    return this.memory?.target ?? set.replicas;
  }

  private perform(action: Action, set: PodSet, nowMs: number): void {
    if (action.kind === 'scale') {
      this.view.scale(set, action, nowMs);
      return;
    }
    const pod = set.pods.find(({ name }) => name === action.unit);
    if (pod === undefined) throw new Error(`there is no ${action.unit}`);
    switch (action.kind) {
      case 'drain':
        pod.drainingSinceMs = nowMs;
        break;
      case 'undrain':
        delete pod.drainingSinceMs;
        break;
      case 'mend':
        throw new Error('a simulated unit is never in parts');
    }
  }
}

/** Workers of a Deployment: those that retire are marked as the first to go. */
export const workers: View = {
  unitOf(pod, nowMs) {
    // Remaining work is not known to anybody: the longer a job runs, the nearer its end is the guess.
    const remaining = -pod.jobs.reduce((sum, { acceptedAtMs }) => sum + nowMs - acceptedAtMs, 0);
    return unitOf(pod, nowMs, { busy: pod.jobs.length, remaining });
  },
  scale(set, { to, retire }, nowMs) {
    for (const pod of set.pods) pod.cost = retire.includes(pod.name) ? -1 : 0;
    set.scale(to, nowMs);
  },
};

/** Inference groups, each an object of its own. One that drains for long waits for its replies alone. */
export function groups(drainLimitMs: number): View {
  return {
    unitOf(pod, nowMs) {
      const remaining = pod.jobs.reduce((sum, job) => sum + contextOf(job), 0);
      const isOver = pod.drainingSinceMs !== undefined && nowMs - pod.drainingSinceMs >= drainLimitMs;
      return unitOf(pod, nowMs, { busy: isOver ? running(pod) : pod.jobs.length, remaining });
    },
    scale(set, { to, retire }, nowMs) {
      set.replace(retire, to, nowMs);
    },
  };
}

function unitOf(pod: Pod, nowMs: number, load: Pick<Unit, 'busy' | 'remaining'>): Unit {
  const { name, ordinal, createdAtMs, readyAtMs, drainingSinceMs } = pod;
  const common = { name, ordinal, createdAtMs, ...load };
  if (pod.ending !== undefined) return { ...common, phase: 'leaving' };
  if (readyAtMs > nowMs) return { ...common, phase: 'starting' };
  if (drainingSinceMs !== undefined) return { ...common, phase: 'draining', readyAtMs, drainingSinceMs };
  return { ...common, phase: 'ready', readyAtMs };
}
