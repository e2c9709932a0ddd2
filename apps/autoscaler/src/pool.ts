import { ArgosyError, messageOf } from '#errors';
import type { BusyWorker, Scaling } from '#runs';
import type { Cluster, PodView, ScaleView } from './cluster/cluster.ts';
import { PoolMissing } from './cluster/cluster.ts';
import type { Action, PoolMemory, PoolState, Signals, Unit } from './core/state.ts';
import type { PoolSetting } from './settings.ts';

/** What the autoscaler asks of the record, and leaves in it. */
export type ScaleRecord = Pick<Scaling, 'work' | 'workers' | 'drain' | 'pools' | 'record'>;

/** Marks units that go first when a Deployment shrinks. */
const goesFirst = -1_000;

/** A pool of workers: what is read of it, and what is done to it. */
export class Pool {
  readonly #setting: PoolSetting;
  readonly #cluster: Cluster;
  readonly #scaling: ScaleRecord;
  #scale: ScaleView | undefined;
  #pods = new Map<string, { readonly cost: number; readonly workers: readonly BusyWorker[] }>();

  constructor(setting: PoolSetting, cluster: Cluster, scaling: ScaleRecord) {
    this.#setting = setting;
    this.#cluster = cluster;
    this.#scaling = scaling;
  }

  get name(): string {
    return this.#setting.policy.name;
  }

  /** How it stands; what cannot be read bars it for this round, and no other pool. */
  async read(memory: PoolMemory | undefined): Promise<PoolState> {
    const { policy } = this.#setting;
    const known = memory === undefined ? {} : { memory };
    try {
      return { policy, ...(await this.#look(memory)), ...known };
    } catch (error) {
      if (!(error instanceof ArgosyError)) throw error;
      const alarm = error instanceof PoolMissing ? 'pool-missing' : 'signals-missing';
      const replicas = memory?.target ?? 0;
      return { policy, replicas, units: [], barred: { alarm, why: messageOf(error) }, ...known };
    }
  }

  async #look(memory: PoolMemory | undefined): Promise<Pick<PoolState, 'replicas' | 'units' | 'signals' | 'barred'>> {
    const { deployment, role, kinds } = this.#setting;
    this.#scale = await this.#cluster.readScale(deployment);
    const { replicas } = this.#scale;
    const owner = await this.#cluster.otherOwner(deployment);
    if (owner !== undefined) {
      const why = `${owner} scales ${deployment}, too. Remove one of the two`;
      return { replicas, units: [], barred: { alarm: 'second-owner', why } };
    }
    const pods = await this.#cluster.pods(deployment);
    const workers = Map.groupBy(await this.#scaling.workers(role), ({ workerId }) => placeOf(workerId));
    this.#pods = new Map(pods.map(({ name, cost }) => [name, { cost, workers: workers.get(`${role}-${name}`) ?? [] }]));
    const units = pods.map((pod) => unitOf(pod, this.#pods.get(pod.name)?.workers ?? []));
    const { arrived, finished, ...counted } = await this.#scaling.work(
      role,
      memory?.seen.atMs ?? Date.now(),
      kinds ?? null,
    );
    const signals: Signals = {
      ...counted,
      arrivedTotal: (memory?.seen.arrivedTotal ?? 0) + arrived,
      finishedTotal: (memory?.seen.finishedTotal ?? 0) + finished,
    };
    return { replicas, units, signals };
  }

  /** @throws Overtaken, Forbidden, ClusterAway, Unavailable */
  async perform(action: Action): Promise<void> {
    switch (action.kind) {
      case 'drain':
      case 'undrain': {
        const workers = this.#pods.get(action.unit)?.workers ?? [];
        const ids = workers.map(({ workerId }) => workerId);
        await this.#scaling.drain(ids, action.kind === 'drain');
        return;
      }
      case 'scale':
        await this.#mark(action.retire);
        await this.#cluster.writeScale(this.#setting.deployment, action.to, this.#scale?.version ?? '');
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
