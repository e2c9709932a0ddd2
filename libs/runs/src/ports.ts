import { Unavailable } from '#errors';
import type { Bus } from './bus.ts';
import type { DeltaTail } from './deltas.ts';
import type { Doorbell, FaultListener, Ring } from './doorbell/doorbell.ts';
import { ringsLost, ringsSent } from './instruments.ts';
import type { ObjectStore } from './objects/object-store.ts';
import type { RunsSettings } from './settings.ts';
import { Claims } from './store/claims.ts';
import type { Database } from './store/database.ts';
import { Ledger } from './store/ledger.ts';

/** Where a runs library finds its stores. */
export interface RunsPorts {
  readonly database: Database;
  readonly doorbell: Doorbell;
  readonly bus: Bus;
  readonly tail: DeltaTail;
  /** Takes what the database would have to hold of bytes. Without one, it does; those that it has it keeps. */
  readonly objects?: ObjectStore | null;
}

/** What every part of the library works with. */
export interface Core extends RunsPorts {
  readonly objects: ObjectStore | null;
  readonly ledger: Ledger;
  readonly claims: Claims;
  readonly settings: RunsSettings;
}

export function coreOf(ports: RunsPorts, settings: RunsSettings): Core {
  const { database } = ports;
  return { objects: null, ...ports, ledger: new Ledger(database), claims: new Claims(database), settings };
}

/** How a worker answers rings. */
export interface AnswerSettings {
  /** Rings answered at the same time. */
  readonly concurrency: number;
  /** Told of all that an answer threw, and of rings that cannot be read. */
  readonly onFault?: FaultListener;
}

/** A ring's lock outlasts the lease a little: the lease decides who owns a run, and should do so first. */
export function answerOptions({ settings }: Pick<Core, 'settings'>, { concurrency, onFault }: AnswerSettings) {
  const lockMs = 1.5 * Math.min(settings.leaseMs, 10_000);
  return { concurrency, lockMs, ...(onFault === undefined ? {} : { onFault }) };
}

/** A bell that is away is a lost ring, no more: whatever it was for is rung again when nothing came of it. */
export async function ringOrLose({ doorbell }: Pick<Core, 'doorbell'>, ring: Ring): Promise<void> {
  try {
    await doorbell.ring(ring);
    ringsSent.add(1, { bell: ring.bell });
  } catch (error) {
    if (!(error instanceof Unavailable)) throw error;
    ringsLost.add(1, { bell: ring.bell });
  }
}
