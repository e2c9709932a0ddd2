import type { Statements } from '../store/database.ts';

/** What the runs have used that were accepted on one UTC day, those that are gone included. */
export interface DayUsage {
  /** `2026-01-31`. */
  readonly day: string;
  readonly runs: number;
  readonly model_calls: number;
  readonly tool_calls: number;
  readonly prompt_tokens: number;
  readonly cached_tokens: number;
  readonly completion_tokens: number;
  readonly usd: number;
}

/** Days with anything on them, the latest first. @param from first day, and last, both included */
export async function usageByDay(
  database: Statements,
  tenantId: string,
  from: string,
  to: string,
): Promise<DayUsage[]> {
  const { rows } = await database.query<Record<keyof DayUsage, unknown>>(
    `SELECT day::text, sum(runs)::float8 AS runs, sum(model_calls)::float8 AS model_calls,
       sum(tool_calls)::float8 AS tool_calls, sum(prompt_tokens)::float8 AS prompt_tokens,
       sum(cached_tokens)::float8 AS cached_tokens, sum(completion_tokens)::float8 AS completion_tokens,
       sum(usd)::float8 AS usd
     FROM (
       SELECT (accepted_at AT TIME ZONE 'UTC')::date AS day, 1 AS runs, model_calls, tool_calls, prompt_tokens,
         cached_tokens, completion_tokens, usd
       FROM argosy.runs WHERE tenant_id = $1 AND accepted_at >= ($2::date)::timestamp AT TIME ZONE 'UTC'
         AND accepted_at < ($3::date + 1)::timestamp AT TIME ZONE 'UTC'
       UNION ALL
       SELECT day, runs, model_calls, tool_calls, prompt_tokens, cached_tokens, completion_tokens, usd
       FROM argosy.past_usage WHERE tenant_id = $1 AND day BETWEEN $2::date AND $3::date
     ) used GROUP BY day ORDER BY day DESC`,
    [tenantId, from, to],
  );
  // As the statement names and casts them.
  return rows as unknown as DayUsage[];
}

/** Runs of a tenant that have not ended. */
export async function countUnfinished(database: Statements, tenantId: string): Promise<number> {
  const { rows } = await database.query<{ n: number }>(
    `SELECT count(*)::int AS n FROM argosy.runs WHERE tenant_id = $1 AND state IN ('queued', 'running', 'waiting')`,
    [tenantId],
  );
  return rows[0]?.n ?? 0;
}
