import type { BusyWorker } from '#runs';
import type { Cluster, OtherOwners, PodView, ScaleTarget } from './cluster/cluster.ts';
import type { Action, PoolMemory, PoolPolicy } from './core/state.ts';
import { tableOf, type Unit } from './core/unit-table.ts';
import { ownedBy, type Pool, type ScaleRecord, type Standing, signalsOf } from './pool.ts';
import type { WorkerPoolSetting } from './settings.ts';

/** Marks units that go first when a Deployment shrinks. */
const goesFirst = -1_000;

/** A pool of workers in a Deployment. */
export class WorkerPool implements Pool {
  readonly #setting: WorkerPoolSetting;
  readonly #target: ScaleTarget;
  readonly #cluster: Cluster;
  readonly #scaling: ScaleRecord;
  #version = '';
  #pods = new Map<string, { readonly cost: number; readonly workers: readonly BusyWorker[] }>();

  constructor(setting: WorkerPoolSetting, cluster: Cluster, scaling: ScaleRecord) {
    this.#setting = setting;
    this.#cluster = cluster;
    this.#scaling = scaling;
    this.#target = { kind: 'Deployment', name: setting.deployment };
  }

  close(): void {
    this.#pods.clear();
  }

  get policy(): PoolPolicy {
    return this.#setting.policy;
  }

  async look(memory: PoolMemory | undefined, owners: OtherOwners): Promise<Standing> {
    const { role, kinds } = this.#setting;
    const { replicas, version, pods } = await this.#cluster.read(this.#target);
    this.#version = version;
    const owner = owners(this.#target);
    if (owner !== undefined) return { replicas, ...ownedBy(owner, this.#target.name) };
    const workers = Map.groupBy(await this.#scaling.workers(role), ({ workerId }) => placeOf(workerId));
    this.#pods = new Map(pods.map(({ name, cost }) => [name, { cost, workers: workers.get(`${role}-${name}`) ?? [] }]));
    const units = tableOf(pods.map((pod) => unitOf(pod, this.#pods.get(pod.name)?.workers ?? [])));
    return {
      replicas,
      units,
      signals: await signalsOf(this.#scaling, { kind: role, ...(kinds === undefined ? {} : { kinds }) }, memory),
    };
  }

  async perform(action: Action): Promise<void> {
    switch (action.kind) {
      case 'drain':
      case 'undrain': {
        const workers = this.#pods.get(action.unit)?.workers ?? [];
        const ids = workers.map(({ workerId }) => workerId);
        await this.#scaling.drain(ids, action.kind === 'drain');
        return;
      }
      case 'mend':
        throw new Error('a Deployment is never in parts');
      case 'scale':
        await this.#mark(action.retire);
        await this.#cluster.writeScale(this.#target, action.to, this.#version);
        return;
    }
  }

  /** Those that retire go first, and nobody else: a mark of an earlier round that came to nothing is taken off. */
  async #mark(retire: readonly string[]): Promise<void> {
    for (const [name, { cost }] of this.#pods) {
      const wanted = retire.includes(name) ? goesFirst : 0;
      if (cost !== wanted) await this.#cluster.setCost(name, wanted);
    }
  }
}

/** Role and machine of a worker: its id without process, chance and life. */
function placeOf(workerId: string): string {
  return workerId.replace(/-\d+-[0-9a-f]{8}-\d+$/, '');
}

/** A pod without a living worker is on its way; one whose worker has not confirmed its drain may still take work. */
function unitOf(pod: PodView, workers: readonly BusyWorker[]): Unit {
  const { name, createdAtMs, readyAtMs, leaving } = pod;
  const sum = (of: (worker: BusyWorker) => number): number => workers.reduce((total, worker) => total + of(worker), 0);
  const drains = workers.length > 0 && workers.every(({ drainsSinceMs }) => drainsSinceMs !== null);
  const unconfirmed = drains && sum(({ slots }) => slots) > 0 ? 1 : 0;
  const common = {
    name,
    busy: Math.max(
      sum(({ busy }) => busy),
      unconfirmed,
    ),
    remaining: -sum(({ ageMs }) => ageMs),
    ordinal: 0,
    createdAtMs,
  };
  if (leaving) return { ...common, phase: 'leaving' };
  if (readyAtMs === undefined || workers.length === 0) return { ...common, phase: 'starting' };
  if (!drains) return { ...common, phase: 'ready', readyAtMs };
  const drainingSinceMs = Math.min(...workers.map(({ drainsSinceMs }) => drainsSinceMs ?? 0));
  return { ...common, phase: 'draining', readyAtMs, drainingSinceMs };
}
