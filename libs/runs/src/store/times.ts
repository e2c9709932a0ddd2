import type { Cost, RunTimes } from '#domain';
import type { Statements } from './database.ts';

/** Arguments of a call that are longer, as JSON, are not read: a line of them is all that is told. */
const longestArgs = 20_000;

type Row<T> = { readonly [K in keyof T]: T[K] };

/** Milliseconds since 1970 of an instant. */
const msOf = (column: string): string => `(extract(epoch FROM ${column}) * 1000)::float8`;

/** What the record says of the times of a run, without what it found; null where there is no such run. Cost: three looks. */
export async function readTimes(database: Statements, tenantId: string, runId: string): Promise<RunTimes | null> {
  const key = [tenantId, runId];
  const { rows } = await database.query<Row<Omit<RunTimes, 'steps' | 'calls' | 'lost' | 'spent'>> & SpentRow>(
    runSql,
    key,
  );
  const [run] = rows;
  if (run === undefined) return null;
  const steps = await database.query<StepRow>(stepsSql, key);
  const calls = await database.query<Row<RunTimes['calls'][number]>>(callsSql, [...key, longestArgs]);
  const { lostCalls, lostTokens, spent, ...rest } = run;
  const lost = { modelCalls: lostCalls, promptTokens: lostTokens };
  return {
    ...inWholeMs(rest),
    spent: known(spent),
    steps: steps.rows.map(stepOf),
    calls: calls.rows.map(inWholeMs),
    lost,
  };
}

interface SpentRow {
  readonly spent: StoredCost;
  readonly lostCalls: number;
  readonly lostTokens: number;
}

/** Instants are kept to the microsecond, and told to the millisecond. */
function inWholeMs<T extends object>(row: T): T {
  const whole = Object.entries(row).map(([name, value]) => {
    return [name, name.endsWith('Ms') && typeof value === 'number' ? Math.round(value) : value];
  });
  return Object.fromEntries(whole) as T; // the same names, and values of the same types
}

type StepRow = Omit<RunTimes['steps'][number], 'cost'> & { readonly cost: StoredCost | null };

/** As columns are: what is not known is null. */
type StoredCost = { readonly [K in keyof Cost]-?: Cost[K] | null };

function stepOf({ cost, ...row }: StepRow): RunTimes['steps'][number] {
  return inWholeMs({ ...row, cost: cost === null || cost.nanoUsd === null ? null : known(cost) });
}

function known(cost: StoredCost): Cost {
  return Object.fromEntries(Object.entries(cost).filter(([, value]) => value !== null)) as unknown as Cost; // only `gpuMs` may lack
}

/** The costs that are columns of a table. */
const costOf = (
  nanoUsd: string,
): string => `jsonb_build_object('promptTokens', prompt_tokens, 'cachedTokens', cached_tokens,
  'completionTokens', completion_tokens, 'nanoUsd', ${nanoUsd}, 'feesNanoUsd', fees_nano_usd, 'gpuMs', gpu_ms)`;

const runSql = `
SELECT r.run_id AS "runId", r.state AS status, r.request ->> 'model' AS model,
  ${msOf('r.accepted_at')} AS "acceptedMs", ${msOf('r.started_at')} AS "startedMs", ${msOf('r.ended_at')} AS "endedMs",
  ${msOf('now()')} AS "nowMs", r.lost_model_calls AS "lostCalls", r.lost_prompt_tokens::float8 AS "lostTokens",
  ${costOf('argosy.nano_usd(usd)')} AS spent,
  (SELECT count(*)::int FROM argosy.events e
    WHERE e.tenant_id = r.tenant_id AND e.run_id = r.run_id AND e.type = 'run.waiting') AS "putOff",
  (SELECT coalesce(jsonb_agg(jsonb_build_object('step', e.data -> 'step', 'tool', e.data -> 'tool',
      'kind', f.fault -> 'kind', 'message', f.fault -> 'message') ORDER BY e.seq, f.place), '[]'::jsonb)
    FROM argosy.events e CROSS JOIN LATERAL jsonb_array_elements(e.data -> 'faults') WITH ORDINALITY AS f (fault, place)
    WHERE e.tenant_id = r.tenant_id AND e.run_id = r.run_id AND e.type = 'tool.completed') AS faults
FROM argosy.runs r WHERE r.tenant_id = $1 AND r.run_id = $2`;

const stepsSql = `
SELECT s.epoch, ${msOf('s.committed_at')} AS "committedMs", s.payload ->> 'kind' AS kind,
  s.payload #> '{reply,usage}' AS usage, s.payload #> '{reply,times}' AS times, s.payload ->> 'message' AS message,
  ${costOf('nano_usd')} AS cost
FROM argosy.steps s WHERE s.tenant_id = $1 AND s.run_id = $2 ORDER BY s.step_no`;

const callsSql = `
SELECT c.step, c.index, c.tool, CASE WHEN length(c.args::text) <= $3 THEN c.args END AS args, c.attempt AS attempts,
  ${msOf('c.started_at')} AS "startedMs", ${msOf('c.ended_at')} AS "endedMs"
FROM argosy.tool_calls c WHERE c.tenant_id = $1 AND c.run_id = $2 ORDER BY c.step, c.index`;
