import type { Statements } from '../store/database.ts';

/** Sums over runs. Field names are the public ones. Money is whole billionths of a USD; `usd` is the same for people. */
export interface UsageSums {
  readonly runs: number;
  readonly model_calls: number;
  readonly tool_calls: number;
  readonly prompt_tokens: number;
  readonly cached_tokens: number;
  readonly completion_tokens: number;
  readonly usd: number;
  readonly nano_usd: number;
  /** Of these, the fees of tools. */
  readonly fees_nano_usd: number;
  /** Null where no server has said. */
  readonly gpu_seconds: number | null;
  /** Replies that were lost with a worker and bought again, their estimated prompt tokens, and what those would have cost. */
  readonly lost_model_calls: number;
  readonly lost_prompt_tokens: number;
  readonly lost_nano_usd: number;
}

/** What the runs have used that were accepted on one UTC day, those that are gone included. */
export interface DayUsage extends UsageSums {
  /** `2026-01-31`. */
  readonly day: string;
}

/** What one run has used, or all together that were accepted on one day and are gone. */
export interface RunUsage extends UsageSums {
  /** Null for those that are gone. */
  readonly run_id: string | null;
  readonly day: string;
  readonly model: string | null;
  readonly status: string | null;
}

const summed = ['runs', 'model_calls', 'tool_calls', 'prompt_tokens', 'cached_tokens', 'completion_tokens'];

/** Of one run, or of one row of those that are gone. */
const ofRun = `1 AS runs, model_calls, tool_calls, prompt_tokens, cached_tokens, completion_tokens,
  argosy.nano_usd(usd) AS nano_usd, fees_nano_usd, gpu_ms, lost_model_calls, lost_prompt_tokens,
  argosy.lost_nano_usd(request, lost_prompt_tokens) AS lost_nano_usd`;
const ofGone = `runs, model_calls, tool_calls, prompt_tokens, cached_tokens, completion_tokens, nano_usd, fees_nano_usd, gpu_ms,
  lost_model_calls, lost_prompt_tokens, lost_nano_usd`;

const dayOfRun = `(accepted_at AT TIME ZONE 'UTC')::date`;
/** Of the first day and the last, by the places of the statement's parameters. */
const within = (from: string, to: string): string => `accepted_at >= (${from}::date)::timestamp AT TIME ZONE 'UTC'
  AND accepted_at < (${to}::date + 1)::timestamp AT TIME ZONE 'UTC'`;

/** Sums of the columns above, as numbers that drivers give as such. Billionths stay exact below nine million USD. */
const sums = [
  ...summed.map((name) => `sum(${name})::float8 AS ${name}`),
  'sum(nano_usd)::float8 / 1e9::float8 AS usd',
  ...['nano_usd', 'fees_nano_usd'].map((name) => `sum(${name})::float8 AS ${name}`),
  'sum(gpu_ms)::float8 / 1000 AS gpu_seconds',
  ...['lost_model_calls', 'lost_prompt_tokens', 'lost_nano_usd'].map((name) => `sum(${name})::float8 AS ${name}`),
].join(', ');

/** Days with anything on them, the latest first. @param from first day, and last, both included */
export async function usageByDay(
  database: Statements,
  tenantId: string,
  from: string,
  to: string,
): Promise<DayUsage[]> {
  const { rows } = await database.query<DayUsage>(
    `SELECT day::text, ${sums} FROM (
       SELECT ${dayOfRun} AS day, ${ofRun} FROM argosy.runs WHERE tenant_id = $1 AND ${within('$2', '$3')}
       UNION ALL
       SELECT day, ${ofGone} FROM argosy.past_usage WHERE tenant_id = $1 AND day BETWEEN $2::date AND $3::date
     ) used GROUP BY day ORDER BY day DESC`,
    [tenantId, from, to],
  );
  return [...rows];
}

/** What the runs of one tenant have used that were accepted on one day. */
export interface TenantUsage extends DayUsage {
  readonly tenant_id: string;
}

/** The same by tenant and day, of all tenants, for who may see them all: by tenant, the latest day first. */
export async function usageOfAll(database: Statements, from: string, to: string): Promise<TenantUsage[]> {
  const { rows } = await database.query<TenantUsage>(
    `SELECT tenant_id, day::text, ${sums} FROM (
       SELECT tenant_id, ${dayOfRun} AS day, ${ofRun} FROM argosy.runs WHERE ${within('$1', '$2')}
       UNION ALL
       SELECT tenant_id, day, ${ofGone} FROM argosy.past_usage WHERE day BETWEEN $1::date AND $2::date
     ) used GROUP BY tenant_id, day ORDER BY tenant_id, day DESC`,
    [from, to],
  );
  return [...rows];
}

/** Which runs, and how many at a time. */
export interface RunUsagePage {
  readonly from: string;
  readonly to: string;
  /** Runs before this one; null: from the newest on. */
  readonly before: string | null;
  readonly limit: number;
}

/** Runs of a tenant that were accepted on these days, newest first. */
export async function usageByRun(
  database: Statements,
  tenantId: string,
  { from, to, before, limit }: RunUsagePage,
): Promise<RunUsage[]> {
  const { rows } = await database.query<RunUsage>(
    `SELECT run_id, day::text, model, status, ${sums} FROM (
       SELECT run_id, ${dayOfRun} AS day, request ->> 'model' AS model, state AS status, ${ofRun} FROM argosy.runs
       WHERE tenant_id = $1 AND ${within('$2', '$3')} AND ($4::text IS NULL OR run_id < $4)
       ORDER BY run_id DESC LIMIT $5
     ) used GROUP BY run_id, day, model, status ORDER BY run_id DESC`,
    [tenantId, from, to, before, limit],
  );
  return [...rows];
}

/** What runs that are gone had used, by the day of their acceptance: with these, the runs add up to the days. */
export async function usageOfGone(
  database: Statements,
  tenantId: string,
  from: string,
  to: string,
): Promise<RunUsage[]> {
  const { rows } = await database.query<RunUsage>(
    `SELECT NULL AS run_id, day::text, NULL AS model, NULL AS status, ${sums} FROM argosy.past_usage
     WHERE tenant_id = $1 AND day BETWEEN $2::date AND $3::date GROUP BY day ORDER BY day DESC`,
    [tenantId, from, to],
  );
  return [...rows];
}

/** Runs of a tenant that have not ended. */
export async function countUnfinished(database: Statements, tenantId: string): Promise<number> {
  const { rows } = await database.query<{ n: number }>(
    `SELECT count(*)::int AS n FROM argosy.runs WHERE tenant_id = $1 AND state IN ('queued', 'running', 'waiting')`,
    [tenantId],
  );
  return rows[0]?.n ?? 0;
}
