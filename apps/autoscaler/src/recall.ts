import { z } from 'zod';
import type { PoolRecord } from '#runs';
import type { PoolMemory, Purse } from './core/state.ts';

const amount = z.number().min(0);
/** Far more than any pool has; a list of another release must not fill this process. */
const mostItems = 100_000;

const signals = z.object({
  atMs: amount,
  waiting: amount,
  active: amount,
  arrivedTotal: amount,
  finishedTotal: amount,
  oldestWaitMs: amount,
});

const memory = z.object({
  target: amount,
  seen: signals,
  fast: amount,
  slow: amount,
  finished: amount,
  busyMs: amount,
  readyMs: z.array(amount).max(mostItems),
  readySeenMs: amount,
  wanted: z.array(z.object({ atMs: amount, level: amount })).max(mostItems),
}) satisfies z.ZodType<PoolMemory>;

const purse = z.object({ left: z.number(), atMs: amount }) satisfies z.ZodType<Purse>;

/** What a purse is kept as, among the pools. */
export const purseName = '(purse)';

/** What autoscalers learned so far. */
export interface Recalled {
  readonly memories: ReadonlyMap<string, PoolMemory>;
  readonly purse: Purse | undefined;
  /** What lacks something that this release needs: such a pool is learned anew from the size that it has, a purse begins full. */
  readonly unreadable: readonly string[];
}

/** Reads what was kept, maybe by another release: what this one does not know is left out. */
export function recalled(records: readonly Pick<PoolRecord, 'pool' | 'memory'>[]): Recalled {
  const kept = records.filter((record) => record.memory !== null);
  const pools = kept.filter(({ pool }) => pool !== purseName);
  const read = pools.map(({ pool, memory: stored }) => [pool, memory.safeParse(stored).data] as const);
  const stored = kept.find(({ pool }) => pool === purseName);
  const left = purse.safeParse(stored?.memory).data;
  return {
    memories: new Map(read.flatMap(([pool, known]) => (known === undefined ? [] : [[pool, known]]))),
    purse: left,
    unreadable: [
      ...read.flatMap(([pool, known]) => (known === undefined ? [pool] : [])),
      ...(stored !== undefined && left === undefined ? [purseName] : []),
    ],
  };
}
