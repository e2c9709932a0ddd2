import type { ToolKind } from '#domain';
import type { Statements } from '../store/database.ts';
import {
  type BusyWorker,
  callsInWork,
  runsInWork,
  type ScaledRole,
  sessionsInWork,
  type Work,
  type WorkKind,
  workersOf,
} from './work.ts';

/** A pool as the autoscaler left it. */
export interface PoolRecord {
  readonly pool: string;
  readonly atMs: number;
  /** As it was given; of the form of whatever release wrote it. */
  readonly memory: unknown;
  readonly decision: unknown;
}

/** What to keep of a decision. */
export interface Decided {
  readonly pool: string;
  readonly memory: unknown;
  readonly decision: unknown;
  /** Whether it changed something; others only replace the last one. */
  readonly notable: boolean;
}

/** What an autoscaler asks of the record, and leaves in it. */
export class Scaling {
  readonly #database: Statements;

  constructor(database: Statements) {
    this.#database = database;
  }

  /**
   * How much work there is, and the flow since then; of tool calls no flow is counted.
   * @param kinds the calls that count, of tool workers; null: all
   */
  async work(kind: WorkKind, sinceMs: number, kinds: readonly ToolKind[] | null = null): Promise<Work> {
    switch (kind) {
      case 'agent-worker':
        return await runsInWork(this.#database, sinceMs);
      case 'tool-worker':
        return await callsInWork(this.#database, kinds);
      case 'inference':
        return await sessionsInWork(this.#database, sinceMs);
    }
  }

  async workers(role: ScaledRole): Promise<readonly BusyWorker[]> {
    return await workersOf(this.#database, role);
  }

  /** Has workers take nothing new, or take work again. Each hears of it as it renews its lease. */
  async drain(workerIds: readonly string[], drains: boolean): Promise<void> {
    await this.#database.query(
      `UPDATE argosy.workers SET drains_since = CASE WHEN $2 THEN coalesce(drains_since, now()) END
       WHERE worker_id = ANY($1)`,
      [workerIds, drains],
    );
  }

  /** What was known of all pools. */
  async pools(): Promise<readonly PoolRecord[]> {
    const { rows } = await this.#database.query<PoolRecord>(
      `SELECT pool, extract(epoch FROM at)::float8 * 1000 AS "atMs", memory, decision FROM argosy.scale_pools
       ORDER BY pool`,
    );
    return rows;
  }

  /** Notable decisions on a pool, the latest first. */
  async decisions(pool: string, limit: number): Promise<readonly Omit<PoolRecord, 'memory'>[]> {
    const { rows } = await this.#database.query<Omit<PoolRecord, 'memory'>>(
      `SELECT pool, extract(epoch FROM at)::float8 * 1000 AS "atMs", decision FROM argosy.scale_decisions
       WHERE pool = $1 ORDER BY at DESC LIMIT $2`,
      [pool, limit],
    );
    return rows;
  }

  async record(decided: readonly Decided[]): Promise<void> {
    const rows = JSON.stringify(decided);
    await this.#database.query(
      `INSERT INTO argosy.scale_pools (pool, at, memory, decision)
       SELECT d->>'pool', now(), d->'memory', d->'decision' FROM jsonb_array_elements($1::jsonb) AS d
       ON CONFLICT (pool) DO UPDATE SET at = EXCLUDED.at, memory = EXCLUDED.memory, decision = EXCLUDED.decision`,
      [rows],
    );
    if (!decided.some(({ notable }) => notable)) return;
    await this.#database.query(
      `INSERT INTO argosy.scale_decisions (pool, at, decision)
       SELECT d->>'pool', now(), d->'decision' FROM jsonb_array_elements($1::jsonb) AS d WHERE (d->>'notable')::boolean
       ON CONFLICT DO NOTHING`,
      [rows],
    );
    await this.#database.query(`DELETE FROM argosy.scale_decisions WHERE at < now() - interval '7 days'`);
  }
}
