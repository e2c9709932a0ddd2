import { type Action, decide, type PoolMemory, type PoolPolicy, tableOf, type Unit } from '#autoscaler';
import type { Pod, PodSet, Scaler, Seen } from './autoscaling-cluster.ts';

const roundMs = 15_000;
const unbounded = { gpus: 1_000_000, gpusByTenant: {}, moneyPerDay: 0 };

/** decide() of the autoscaler, with the simulated set in place of the cluster. */
export class Argosy implements Scaler {
  private readonly policy: PoolPolicy;
  private memory: PoolMemory | undefined;
  private known: Seen | undefined;

  constructor(policy: PoolPolicy) {
    this.policy = policy;
  }

  look(set: PodSet, seen: Seen | undefined, nowMs: number): void {
    this.known = seen ?? this.known;
    if (nowMs % roundMs !== 0 || this.known === undefined) return;
    const units = tableOf(set.pods.map((pod) => unitOf(pod, nowMs)));
    const memory = this.memory === undefined ? {} : { memory: this.memory };
    const pool = { policy: this.policy, replicas: set.replicas, units, signals: this.known, ...memory };
    const decision = decide({ nowMs, pools: [pool], budgets: unbounded }).decisions[0];
    this.memory = decision?.memory;
    for (const action of decision?.actions ?? []) perform(action, set, nowMs);
  }
}

function unitOf(pod: Pod, nowMs: number): Unit {
  const { name, ordinal, createdAtMs, readyAtMs, drainingSinceMs, jobs } = pod;
  // Remaining work is not known to anybody: the longer a job runs, the nearer its end is the guess.
  const remaining = jobs.reduce((sum, { doneMs }) => sum - doneMs, 0);
  const common = { name, ordinal, createdAtMs, busy: jobs.length, remaining };
  if (pod.ending !== undefined) return { ...common, phase: 'leaving' };
  if (readyAtMs > nowMs) return { ...common, phase: 'starting' };
  if (drainingSinceMs !== undefined) return { ...common, phase: 'draining', readyAtMs, drainingSinceMs };
  return { ...common, phase: 'ready', readyAtMs };
}

function perform(action: Action, set: PodSet, nowMs: number): void {
  if (action.kind === 'scale') {
    for (const pod of set.pods) pod.cost = action.retire.includes(pod.name) ? -1 : 0;
    set.scale(action.to, nowMs);
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
  }
}
