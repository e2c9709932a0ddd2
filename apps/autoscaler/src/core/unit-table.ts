/** One unit of a pool. */
export interface Unit {
  readonly name: string;
  /** `leaving`: being deleted already, whoever asked for it. */
  readonly phase: 'starting' | 'ready' | 'draining' | 'leaving';
  /** Slots in use. */
  readonly busy: number;
  /** Work until its jobs are done, or what would be lost with it, as far as known; only compared within a pool. */
  readonly remaining: number;
  readonly ordinal: number;
  readonly createdAtMs: number;
  readonly readyAtMs?: number;
  readonly drainingSinceMs?: number;
  /** A group of which not all pods are asked for: somebody has to make it whole. */
  readonly partial?: boolean;
}

/** Phases as the column has them. */
export const phaseCodes = { starting: 0, ready: 1, draining: 2, leaving: 3 } as const;

/**
 * Units by columns, an index for each: to look at one property of a million objects is to wait for memory a million times.
 * A time that is not known is NaN, which no comparison holds for.
 */
export interface UnitTable {
  readonly names: readonly string[];
  readonly phases: Uint8Array;
  readonly busy: Float64Array;
  readonly remaining: Float64Array;
  readonly ordinals: Float64Array;
  readonly createdAtMs: Float64Array;
  readonly readyAtMs: Float64Array;
  readonly drainingSinceMs: Float64Array;
  readonly partial: Uint8Array;
}

export function tableOf(units: readonly Unit[]): UnitTable {
  return {
    names: units.map(({ name }) => name),
    phases: Uint8Array.from(units, ({ phase }) => phaseCodes[phase]),
    busy: Float64Array.from(units, ({ busy }) => busy),
    remaining: Float64Array.from(units, ({ remaining }) => remaining),
    ordinals: Float64Array.from(units, ({ ordinal }) => ordinal),
    createdAtMs: Float64Array.from(units, ({ createdAtMs }) => createdAtMs),
    readyAtMs: Float64Array.from(units, ({ readyAtMs = Number.NaN }) => readyAtMs),
    drainingSinceMs: Float64Array.from(units, ({ drainingSinceMs = Number.NaN }) => drainingSinceMs),
    partial: Uint8Array.from(units, ({ partial = false }) => Number(partial)),
  };
}

/** Where the units of a phase are. */
export function inPhase({ phases }: UnitTable, phase: Unit['phase']): readonly number[] {
  const code = phaseCodes[phase];
  const found: number[] = [];
  for (let index = 0; index < phases.length; index++) if (phases[index] === code) found.push(index);
  return found;
}

/** @throws RangeError for an index that no unit has */
export function at<T>(column: ArrayLike<T>, index: number): T {
  const value = column[index];
  if (value === undefined) throw new RangeError(`there is no unit ${index} of ${column.length}`);
  return value;
}
