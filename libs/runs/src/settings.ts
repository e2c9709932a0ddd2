/** Times that govern the life of runs. */
export interface RunsSettings {
  /** A silent worker loses what it owns after this long. */
  readonly leaseMs: number;
  /** A ring that nobody answered, and a run that failed in its worker, are due again after this long. */
  readonly relookMs: number;
  /** How often a listener looks at the database without having been told to. */
  readonly pollMs: number;
  /** Most bytes of evidence, compressed, that the database keeps; the oldest goes first. Default 2 GiB. */
  readonly evidenceBytes?: number;
}

/** For workers that may die without a word. The shorter the lease, the sooner their work moves on. */
export function fleetSettings(leaseMs = 10_000): RunsSettings {
  return { leaseMs, relookMs: 3 * leaseMs, pollMs: leaseMs / 5 };
}

/**
 * For a process that has its stores to itself: leases end with the process anyway, so one that cannot be renewed for a
 * while (a full disk) must not be lost; and a ring can hardly be.
 */
export const embeddedSettings: RunsSettings = {
  leaseMs: 3_600_000,
  relookMs: 5_000,
  pollMs: 1_000,
  evidenceBytes: 512 * 1024 * 1024,
};
