/** An autoscaler at work in a scene, over work that a test moves by hand. */
import { Autoscaler, type Cluster, type Decision, Leadership, type PoolPolicy } from '#autoscaler';
import type { ScaledRole } from '#runs';
import { plainPolicy } from '../support/toy-pool.ts';
import type { Programs } from './fake-kubelet.ts';
import type { HandWork } from './hand-work.ts';
import { deployment, leaseName, type Scene, slots } from './scaling-scene.ts';

/** The pools of the scenes, by the Deployments that the chart's Role names. */
export const agents = { name: 'agents', deployment, role: 'agent-worker' } as const;
export const tools = { name: 'tools', deployment: 'argosy-tool-browser', role: 'tool-worker' } as const;

export interface HandPool {
  readonly name: string;
  readonly deployment: string;
  readonly role: ScaledRole;
  readonly policy?: Partial<PoolPolicy>;
}

type Scaling = Pick<HandWork, 'work' | 'workers' | 'drain' | 'pools' | 'record'>;

export interface HandScaling {
  readonly pools: readonly HandPool[];
  readonly scaling: Scaling;
  readonly holder?: string;
  readonly through?: Cluster;
  /** Its wall clock. */
  readonly now?: () => number;
  /** The clock that its lead is measured with. */
  readonly steadyMs?: () => number;
  readonly lease?: { readonly durationMs: number; readonly limitMs: number };
}

export interface HandScaler {
  readonly leadership: Leadership;
  /** Its log, each line as `event {fields}`. */
  readonly told: readonly string[];
  stop(): Promise<void>;
}

const usual: PoolPolicy = {
  ...plainPolicy,
  ...{ min: 1, max: 6, slots, windowMs: 500, coldStartMs: 100, deadBand: 0 },
};

/** Starts one, which ends with the test at the latest. */
export function startScaler(scene: Scene, given: HandScaling): HandScaler {
  const { pools, scaling, holder = 'one', through = scene.cluster, now = () => Date.now() } = given;
  const { steadyMs = () => performance.now() } = given;
  const { pace } = scene;
  const clocks = { steadyMs, date: () => new Date(now()) };
  const leadership = new Leadership(through, { name: leaseName, holder }, clocks, given.lease ?? pace.lease);
  const told: string[] = [];
  const logger = {
    log: (_level: string, event: string, fields?: object): void => {
      told.push(`${event} ${JSON.stringify(fields ?? {})}`);
    },
  };
  const settings = {
    pools: pools.map(({ name, role, deployment: of, policy }) => {
      return { policy: { ...usual, ...policy, name }, role, deployment: of };
    }),
    budgets: { gpus: 0, gpusByTenant: {}, moneyPerDay: 0 },
  };
  const around = { cluster: through, scaling, leadership, tls: null, logger, now };
  const autoscaler = new Autoscaler(around, { settings, roundMs: pace.roundMs, renewMs: pace.renewMs });
  autoscaler.start();
  let over: Promise<void> | undefined;
  const stop = async (): Promise<void> => {
    over ??= autoscaler.stop();
    await over;
  };
  scene.closing.push(stop);
  return { leadership, told, stop };
}

/** The decisions on a pool, the latest last. */
export function decisionsOn({ name }: HandPool, { decided }: HandWork): readonly Decision[] {
  return decided.filter(({ pool }) => pool === name).map(({ decision }) => decision as Decision); // as it was made
}

/** The work of agent workers and tool workers as one record, which the first keeps. */
export function together(first: HandWork, second: HandWork): Scaling {
  const of = (role: ScaledRole): HandWork => (role === 'agent-worker' ? first : second);
  return {
    work: async (role, sinceMs) => await of(role).work(role, sinceMs),
    workers: async (role) => await of(role).workers(role),
    async drain(workerIds, drains) {
      await first.drain(workerIds, drains);
      await second.drain(workerIds, drains);
    },
    pools: async () => await first.pools(),
    record: async (decided) => await first.record(decided),
  };
}

/** Both in one cluster: the pods of tool workers run the second. */
export function programsOf(first: HandWork, second: HandWork): Programs {
  const of = (pod: string): HandWork => (pod.startsWith(tools.deployment) ? second : first);
  return { start: async (pod) => await of(pod).start(pod), stop: async (pod) => await of(pod).stop(pod) };
}
