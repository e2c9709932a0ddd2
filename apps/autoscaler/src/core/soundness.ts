import type { Alarm, PoolState, Signals } from './state.ts';

/** Signals older than this say nothing about now. */
const staleMs = 60_000;
/** Clocks of one fleet differ by less. */
const skewMs = 5_000;
/** More jobs than any fleet holds: a broken counter. */
const mostJobs = 10_000_000;

export interface Unsound {
  readonly alarm: Alarm;
  readonly why: string;
  /** The totals may be trusted from here on. */
  readonly recounted?: boolean;
}

/** Why nothing may be decided from what was read; undefined when all is well. */
export function unsound(pool: PoolState, nowMs: number): Unsound | undefined {
  if (pool.barred !== undefined) return pool.barred;
  const { signals } = pool;
  if (signals === undefined) return { alarm: 'signals-missing', why: 'nothing could be read about its work' };
  return absurd(signals) ?? untimely(signals, nowMs) ?? backwards(signals, pool.memory?.seen);
}

function absurd(signals: Signals): Unsound | undefined {
  const jobs = [signals.waiting, signals.active];
  const bad = [...jobs, signals.arrivedTotal, signals.finishedTotal, signals.oldestWaitMs, signals.atMs].find(
    (value) => !Number.isFinite(value) || value < 0,
  );
  if (bad !== undefined) return { alarm: 'signals-absurd', why: `a signal reads ${bad}` };
  const many = jobs.find((value) => value > mostJobs);
  return many === undefined ? undefined : { alarm: 'signals-absurd', why: `a signal reads ${many} jobs` };
}

function untimely({ atMs }: Signals, nowMs: number): Unsound | undefined {
  const ageMs = nowMs - atMs;
  if (ageMs > staleMs) return { alarm: 'signals-stale', why: `its signals are ${Math.round(ageMs / 1_000)} s old` };
  if (ageMs < -skewMs)
    return { alarm: 'clock-skew', why: `its signals are ${Math.round(-ageMs / 1_000)} s ahead of this clock` };
  return undefined;
}

/** A total that fell was counted anew: this round only takes note of where it stands. */
function backwards(signals: Signals, seen: Signals | undefined): Unsound | undefined {
  if (seen === undefined) return undefined;
  const fell = signals.arrivedTotal < seen.arrivedTotal || signals.finishedTotal < seen.finishedTotal;
  return fell ? { alarm: 'signals-absurd', why: 'a total fell: it was counted anew', recounted: true } : undefined;
}
