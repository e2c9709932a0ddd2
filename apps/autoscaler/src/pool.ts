import type { ToolKind } from '#domain';
import { ArgosyError, messageOf } from '#errors';
import type { Scaling, WorkKind } from '#runs';
import { type OtherOwners, PoolMissing } from './cluster/cluster.ts';
import type { Action, PoolMemory, PoolPolicy, PoolState, Signals } from './core/state.ts';
import { tableOf } from './core/unit-table.ts';

/** What the autoscaler asks of the record, and leaves in it. */
export type ScaleRecord = Pick<Scaling, 'work' | 'workers' | 'drain' | 'pools' | 'record'>;

/** What scales: how it is read, and what is done to it. */
export interface Pool {
  readonly policy: PoolPolicy;
  /** How it stands. @param owners of the same round @throws PoolMissing, Forbidden, ClusterAway, Unavailable */
  look(memory: PoolMemory | undefined, owners: OtherOwners): Promise<Standing>;
  /** @throws Overtaken, Forbidden, ClusterAway, Unavailable */
  perform(action: Action): Promise<void>;
  close(): void;
}

/** What is read of a pool in a round. */
export type Standing = Omit<PoolState, 'policy' | 'memory'>;

/** A pool as it is decided on: what cannot be read bars it for this round, and no other. */
export async function readPool(
  pool: Pool,
  memory: PoolMemory | undefined,
  owners: Promise<OtherOwners>,
): Promise<PoolState> {
  const { policy } = pool;
  try {
    return { policy, ...(await pool.look(memory, await owners)), ...(memory === undefined ? {} : { memory }) };
  } catch (error) {
    return barred(policy, memory, error);
  }
}

function barred(policy: PoolPolicy, memory: PoolMemory | undefined, error: unknown): PoolState {
  if (!(error instanceof ArgosyError)) throw error;
  const alarm = error instanceof PoolMissing ? 'pool-missing' : 'signals-missing';
  const known = memory === undefined ? {} : { memory };
  const barred = { alarm, why: messageOf(error) } as const;
  return { policy, replicas: memory?.target ?? 0, units: tableOf([]), barred, ...known };
}

/** What somebody else scales, too, is left alone. */
export function ownedBy(owner: string, what: string): Pick<PoolState, 'units' | 'barred'> {
  const why = `${owner} scales ${what}, too. Remove one of the two`;
  return { units: tableOf([]), barred: { alarm: 'second-owner', why } };
}

/** What work is counted for a pool: a role's, of tool workers that of some kinds. */
export interface Counted {
  readonly kind: WorkKind;
  readonly kinds?: readonly ToolKind[];
}

/** The counts of the work, made totals since the pool is known. */
export async function signalsOf(
  scaling: ScaleRecord,
  { kind, kinds }: Counted,
  memory: PoolMemory | undefined,
): Promise<Signals> {
  const { arrived, finished, ...counted } = await scaling.work(kind, memory?.seen.atMs ?? Date.now(), kinds ?? null);
  return {
    ...counted,
    arrivedTotal: (memory?.seen.arrivedTotal ?? 0) + arrived,
    finishedTotal: (memory?.seen.finishedTotal ?? 0) + finished,
  };
}
