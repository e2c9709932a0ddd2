import type { Statements } from '../store/database.ts';

/** What is kept where nothing else is said. */
const usualBytes = 2 * 1024 ** 3;

/** How often one process looks: every look reads the sizes of all entries. */
const everyMs = 60_000;

/** Sweeps at the pace that evidence needs, however often it is called. */
export class EvidenceSweep {
  readonly #database: Statements;
  readonly #mostBytes: number;
  #dueAt = Number.NEGATIVE_INFINITY;

  constructor(database: Statements, mostBytes = usualBytes) {
    this.#database = database;
    this.#mostBytes = mostBytes;
  }

  async ifDue(): Promise<void> {
    if (performance.now() < this.#dueAt) return;
    this.#dueAt = performance.now() + everyMs;
    await sweepEvidence(this.#database, this.#mostBytes);
  }
}

/** Rows that one statement removes. */
const batch = 500;

/** Statements of one sweep; what remains is for the next. */
const mostBatches = 20;

/** How long an entry outlives its end: whoever waited for it must have seen it by then. */
const graceMs = 60_000;

/**
 * Removes what has expired and then, if all values together have more than `mostBytes`, the oldest. Safe to do anywhere, and
 * twice at once.
 * @returns how many entries were removed
 */
export async function sweepEvidence(database: Statements, mostBytes: number): Promise<number> {
  return (
    (await repeat(async () => await dropExpired(database))) + (await repeat(() => dropOldest(database, mostBytes)))
  );
}

async function repeat(drop: () => Promise<number>): Promise<number> {
  let dropped = 0;
  for (let n = 0; n < mostBatches; n++) {
    const some = await drop();
    dropped += some;
    if (some < batch) break;
  }
  return dropped;
}

async function dropExpired(database: Statements): Promise<number> {
  const { changed } = await database.query(
    `WITH over AS (
       SELECT tenant_id, key_hash FROM argosy.evidence
       WHERE expires_at < now() - ${graceMs} * interval '1 ms' AND (claimed_until IS NULL OR claimed_until < now())
       ORDER BY expires_at LIMIT ${batch} FOR UPDATE SKIP LOCKED
     )
     DELETE FROM argosy.evidence e USING over WHERE e.tenant_id = over.tenant_id AND e.key_hash = over.key_hash`,
  );
  return changed;
}

async function dropOldest(database: Statements, mostBytes: number): Promise<number> {
  const { changed } = await database.query(
    `WITH surplus AS (
       SELECT coalesce(sum(bytes), 0) - $1::bigint AS bytes FROM argosy.evidence
     ), oldest AS (
       SELECT tenant_id, key_hash, made_at, sum(bytes) OVER (ORDER BY made_at, tenant_id, key_hash) - bytes AS before
       FROM (
         SELECT * FROM argosy.evidence WHERE made_at IS NOT NULL AND bytes > 0 ORDER BY made_at LIMIT ${batch}
       ) AS first_ones
     )
     DELETE FROM argosy.evidence e USING oldest o, surplus s
     WHERE o.before < s.bytes AND e.tenant_id = o.tenant_id AND e.key_hash = o.key_hash
       -- Not what was made anew meanwhile.
       AND e.made_at = o.made_at`,
    [mostBytes],
  );
  return changed;
}
