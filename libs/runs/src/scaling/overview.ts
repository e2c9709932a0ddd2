import type { Statements } from '../store/database.ts';

/** How all parts of a fleet stand at one moment, in the form of the public API. */
export interface FleetOverview {
  /** ISO 8601, by the database's clock. */
  readonly at: string;
  /** Kinds of work: `runs`, each tool that has calls, and `indexing` of corpora. */
  readonly queues: readonly {
    readonly kind: string;
    readonly waiting: number;
    readonly active: number;
    readonly oldest_seconds: number;
  }[];
  /** Living workers; of what each holds, the 50 oldest jobs. */
  readonly workers: readonly {
    readonly id: string;
    readonly role: string;
    readonly slots: number;
    readonly busy: number;
    readonly draining: boolean;
    readonly jobs: readonly { readonly run_id: string; readonly tenant_id: string }[];
  }[];
  /** Of the last hour, in up to 200 runs that work or have just ended. */
  readonly faults: readonly { readonly tool: string; readonly class: string; readonly count: number }[];
}

/** What a tenant spent on what it had accepted on one UTC day. */
export interface TenantDay {
  readonly day: string;
  readonly tenant_id: string;
  readonly runs: number;
  readonly tokens: number;
  readonly usd: number;
}

/** A decision of the autoscaler, of the form of whatever release wrote it. */
export interface PoolDecision {
  readonly pool: string;
  readonly at: string;
  readonly decision: unknown;
}

/** What a fleet's administrator sees of all tenants at once: figures and ids, nothing of what was asked or found. */
export class Overview {
  readonly #database: Statements;

  constructor(database: Statements) {
    this.#database = database;
  }

  /** Cost: a look at all that is unfinished, and at the events of up to 200 runs. */
  async fleet(): Promise<FleetOverview> {
    return await this.#told<FleetOverview>('SELECT argosy.fleet_overview() AS told', []);
  }

  /** At most 1,000 of them, the latest and dearest first. @param firstDay in UTC. Cost: a look at all runs */
  async spending(firstDay: string): Promise<readonly TenantDay[]> {
    return await this.#told<readonly TenantDay[]>('SELECT argosy.fleet_spending($1::date) AS told', [firstDay]);
  }

  /** Each pool as it was last decided on, and the latest notable decisions on all of them. */
  async scaling(most: number): Promise<{ pools: readonly PoolDecision[]; decisions: readonly PoolDecision[] }> {
    return await this.#told('SELECT argosy.fleet_scaling($1::int) AS told', [most]);
  }

  async #told<T>(sql: string, values: readonly unknown[]): Promise<T> {
    const { rows } = await this.#database.query<{ told: T }>(sql, values);
    if (rows[0] === undefined) throw new Error('A function that always returns a row returned none.');
    return rows[0].told;
  }
}
