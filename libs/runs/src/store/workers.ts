import type { ToolKind } from '#domain';
import type { Statements } from './database.ts';

/** A worker as the fleet knows it. */
export interface Worker {
  readonly workerId: string;
  readonly role: string;
  /** Units of work that it takes at the same time; 0 when it is leaving. */
  readonly slots: number;
  /** Kinds of calls that a tool worker takes; absent: any. */
  readonly kinds?: readonly ToolKind[];
}

/**
 * Says or repeats that a worker is alive, for `leaseMs` by the database's clock.
 * @returns whether it is to take nothing new
 */
export async function renewLease(database: Statements, worker: Worker, leaseMs: number): Promise<boolean> {
  const { rows } = await database.query<{ drains: boolean }>(
    `INSERT INTO argosy.workers (worker_id, role, slots, lease_until, kinds)
     VALUES ($1, $2, $3, now() + $4 * interval '1 ms', $5)
     ON CONFLICT (worker_id) DO UPDATE SET slots = EXCLUDED.slots, lease_until = EXCLUDED.lease_until
     RETURNING drains_since IS NOT NULL AS drains`,
    [worker.workerId, worker.role, worker.slots, leaseMs, worker.kinds ?? null],
  );
  return rows[0]?.drains ?? false;
}

/** A worker that has stopped gives up its lease at once. */
export async function endLease(database: Statements, workerId: string): Promise<void> {
  await database.query('DELETE FROM argosy.workers WHERE worker_id = $1', [workerId]);
}

/** Only for a store that one process holds alone: whoever had leases or duties before is certainly gone. */
export async function endAllLeases(database: Statements): Promise<void> {
  await database.query('DELETE FROM argosy.workers');
  await database.query('DELETE FROM argosy.leaders');
}

/** Forgets workers whose lease ended long ago: by then nothing names them that is still to be done. */
export async function forgetDeadWorkers(database: Statements): Promise<void> {
  await database.query(`DELETE FROM argosy.workers WHERE lease_until < now() - interval '1 hour'`);
}

/**
 * Takes or keeps a duty that one worker at a time has.
 * @returns whether it is this worker's for the next `leaseMs`
 */
export async function takeDuty(
  database: Statements,
  duty: string,
  workerId: string,
  leaseMs: number,
): Promise<boolean> {
  const { changed } = await database.query(
    `INSERT INTO argosy.leaders AS l (duty, worker_id, lease_until) VALUES ($1, $2, now() + $3 * interval '1 ms')
     ON CONFLICT (duty) DO UPDATE SET worker_id = EXCLUDED.worker_id, lease_until = EXCLUDED.lease_until
     WHERE l.worker_id = EXCLUDED.worker_id OR l.lease_until < now()`,
    [duty, workerId, leaseMs],
  );
  return changed === 1;
}

/** Gives a duty up, so that another may take it at once. */
export async function dropDuty(database: Statements, duty: string, workerId: string): Promise<void> {
  await database.query('DELETE FROM argosy.leaders WHERE duty = $1 AND worker_id = $2', [duty, workerId]);
}
