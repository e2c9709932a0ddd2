import type { Cost, PlacedCall, Report, ResearchEvent, RunEvent, Spending } from '#domain';
import { eventSchemaVersion } from '#domain';
import { commitBatch, commitDuration, refusedCommits, runDuration, runsEnded, stepsCommitted } from '../instruments.ts';
import { Batching } from './batching.ts';
import type { Statements } from './database.ts';
import { toJsonb } from './json.ts';
import { callIdOf, toPayload } from './log.ts';

/** Ownership of a run: writes count only while the run's row still says this worker and this epoch. */
export interface Ownership {
  readonly tenantId: string;
  readonly runId: string;
  readonly workerId: string;
  readonly epoch: number;
}

/** What one commit writes. All of it or nothing. */
export interface Commit {
  /** A step of the log; `number` counts from 1 and must follow the last committed one. */
  readonly step?: {
    readonly number: number;
    readonly event: ResearchEvent;
    /** For `tools-returned`: the calls that are answered, in order. */
    readonly answered: readonly PlacedCall[];
    /** What it adds to what the run has spent; absent: nobody has worked it out. */
    readonly cost?: Cost;
  };
  readonly events: readonly RunEvent[];
  /** Calls whose intent is recorded now, before they start. */
  readonly intents?: readonly PlacedCall[];
  readonly spent?: Spending;
  /** With a step after which the model is asked: estimated prompt tokens of that call. */
  readonly askedTokens?: number;
  /** The span of the step; the calls whose intents are recorded carry it, too. */
  readonly traceparent?: string;
  readonly outcome?: Ended | HandedBack;
}

/** The run is over. */
export interface Ended {
  readonly state: Report['status'];
  readonly report: Report;
}

/** The run goes to another worker, or to this one again. */
export interface HandedBack {
  readonly state: 'queued';
  /** The model was being asked, and its reply is lost. */
  readonly lostReply?: boolean;
  /** It found no place at its model: it is due after so long, in ms, and may be ended before. */
  readonly afterMs?: number;
  /** What made its worker fail. Such a run is due later, when a ring that nobody answered would be due again. */
  readonly fault?: string;
}

/** What the owner learns from a commit. `accepted: false`: the run has another owner now, or none. Stop. */
export type Committed = { readonly accepted: true; readonly cancelRequested: boolean } | { readonly accepted: false };

interface Entry {
  readonly owner: Ownership;
  readonly commit: Commit;
}

/**
 * Group commit: commits that arrive while a statement is under way travel together in the next one. Row by row is
 * 3.5 to 6 times slower at 500 runs a worker. Commits of one run follow each other in the order they came.
 */
export class Ledger {
  readonly #database: Statements;
  readonly #batching: Batching<Entry, Committed>;

  constructor(database: Statements) {
    this.#database = database;
    this.#batching = new Batching({
      // A second commit of a run in one statement would not see what the first wrote.
      keyOf: ({ owner }) => `${owner.runId} ${owner.tenantId}`,
      write: async (batch) => await this.#write(batch),
    });
  }

  /** Cost: one statement shared with whoever commits at the same time. */
  async commit(owner: Ownership, commit: Commit): Promise<Committed> {
    return await this.#batching.add({ owner, commit });
  }

  async #write(batch: readonly Entry[]): Promise<Committed[]> {
    const startedAt = performance.now();
    const { rows } = await this.#database.query<Accepted>(commitSql, [
      toJsonb(batch.map(toRecord)),
      eventSchemaVersion,
    ]);
    const accepted = new Map(rows.map((row) => [row.ord, row]));
    measure(batch, accepted, startedAt);
    return batch.map((_, ord): Committed => {
      const row = accepted.get(ord);
      return row === undefined ? { accepted: false } : { accepted: true, cancelRequested: row.cancelled };
    });
  }
}

interface Accepted {
  readonly ord: number;
  readonly cancelled: boolean;
}

function measure(batch: readonly Entry[], accepted: ReadonlyMap<number, Accepted>, startedAt: number): void {
  commitDuration.record((performance.now() - startedAt) / 1000);
  commitBatch.record(batch.length);
  stepsCommitted.add(batch.filter(({ commit }, ord) => commit.step !== undefined && accepted.has(ord)).length);
  for (const [ord, { commit }] of batch.entries()) {
    if (commit.outcome === undefined || commit.outcome.state === 'queued' || !accepted.has(ord)) continue;
    runsEnded.add(1, { status: commit.outcome.state });
    runDuration.record(commit.outcome.report.usage.seconds);
  }
  // Whoever has ended a run hands it back all the same, which is refused in the ordinary course.
  refusedCommits.add(
    batch.filter(({ commit }, ord) => commit.outcome?.state !== 'queued' && !accepted.has(ord)).length,
  );
}

function toRecord({ owner, commit }: Entry, ord: number): Record<string, unknown> {
  const { tenantId, runId, workerId, epoch } = owner;
  const { step, events, intents = [], spent, outcome, askedTokens, traceparent } = commit;
  const back = outcome?.state === 'queued' ? outcome : undefined;
  return {
    ord,
    tenant_id: tenantId,
    run_id: runId,
    worker_id: workerId,
    epoch,
    step_no: step?.number,
    step: step === undefined ? undefined : toPayload(runId, step.event, step.answered),
    cost: step?.cost,
    events,
    calls: intents.map((call) => ({ ...call, call_id: callIdOf(runId, call) })),
    usage: spent,
    asked: askedTokens,
    trace: traceparent,
    state: outcome?.state,
    lost: back?.lostReply === true,
    fault: back?.fault,
    after_ms: back?.afterMs,
    report: outcome?.state === 'queued' ? undefined : outcome?.report,
  };
}

/**
 * The fence and the write in one statement: `held` locks the rows that still belong to their writer, one after the other
 * in key order so that two batches cannot deadlock, and everything else joins to it. Events are numbered under that lock.
 * Each row is looked up by its key: left to itself, the planner reads every run that is running. Under the fence no row
 * can be there already; one that is breaks a promise, and the commit fails. The input is json, not jsonb, because its
 * parts are stored and the whole is not.
 */
const commitSql = `
WITH input AS MATERIALIZED (
  SELECT * FROM json_to_recordset($1::json) AS i (
    ord integer, tenant_id text, run_id text, worker_id text, epoch integer, step_no integer, step jsonb,
    cost jsonb, events jsonb, calls jsonb, usage jsonb, asked integer, trace text, state text, lost boolean, fault text,
    after_ms integer, report jsonb)
  ORDER BY tenant_id, run_id
), held AS MATERIALIZED (
  SELECT i.*, r.last_seq, r.cancel_requested, CASE WHEN i.lost THEN r.asked_tokens END AS lost_tokens
  FROM input i CROSS JOIN LATERAL (
    SELECT last_seq, cancel_requested, asked_tokens FROM argosy.runs r
    WHERE r.tenant_id = i.tenant_id AND r.run_id = i.run_id
      AND r.epoch = i.epoch AND r.worker_id = i.worker_id AND r.state = 'running'
      AND (i.step_no IS NULL OR r.last_step = i.step_no - 1)
    FOR NO KEY UPDATE
  ) r
), new_steps AS (
  INSERT INTO argosy.steps (tenant_id, run_id, step_no, epoch, schema_version, payload, trace_id, span_id,
    prompt_tokens, cached_tokens, completion_tokens, nano_usd, fees_nano_usd, gpu_ms)
  SELECT h.tenant_id, h.run_id, h.step_no, h.epoch, $2, h.step, split_part(h.trace, '-', 2), split_part(h.trace, '-', 3),
    c."promptTokens", c."cachedTokens", c."completionTokens", c."nanoUsd", c."feesNanoUsd", c."gpuMs"
  FROM held h LEFT JOIN LATERAL jsonb_to_record(h.cost) AS c ("promptTokens" bigint, "cachedTokens" bigint,
    "completionTokens" bigint, "nanoUsd" bigint, "feesNanoUsd" bigint, "gpuMs" bigint) ON true
  WHERE h.step_no IS NOT NULL
), new_events AS (
  INSERT INTO argosy.events (tenant_id, run_id, seq, type, schema_version, data)
  SELECT h.tenant_id, h.run_id, h.last_seq + e.place, e.event ->> 'type', $2, e.event -> 'data'
  FROM held h CROSS JOIN LATERAL jsonb_array_elements(h.events) WITH ORDINALITY AS e (event, place)
), new_calls AS (
  INSERT INTO argosy.tool_calls (tenant_id, run_id, call_id, step, index, tool, args, readings, opens, traceparent)
  SELECT h.tenant_id, h.run_id, c.call_id, c.step, c.index, c.tool, c.args, c.readings, c.opens, h.trace
  FROM held h CROSS JOIN LATERAL jsonb_to_recordset(h.calls)
    AS c (call_id text, step integer, index integer, tool text, args jsonb, readings integer, opens jsonb)
)
UPDATE argosy.runs r SET
  last_seq = r.last_seq + jsonb_array_length(h.events),
  last_step = coalesce(h.step_no, r.last_step),
  schema_version = greatest(r.schema_version, $2),
  state = coalesce(h.state, r.state),
  report = coalesce(h.report, r.report),
  error = coalesce(h.fault, r.error),
  lost_claims = CASE WHEN h.step_no IS NOT NULL THEN 0 ELSE r.lost_claims + (h.fault IS NOT NULL)::int END,
  asked_tokens = CASE WHEN h.step_no IS NOT NULL THEN h.asked ELSE r.asked_tokens END,
  model_calls = CASE WHEN h.usage IS NULL THEN r.model_calls ELSE (h.usage ->> 'modelCalls')::int
    + coalesce((h.usage ->> 'readings')::int, 0) END,
  tool_calls = CASE WHEN h.usage IS NULL THEN r.tool_calls ELSE (h.usage ->> 'toolCalls')::int END,
  prompt_tokens = CASE WHEN h.usage IS NULL THEN r.prompt_tokens ELSE (h.usage ->> 'promptTokens')::bigint END,
  cached_tokens = CASE WHEN h.usage IS NULL THEN r.cached_tokens ELSE (h.usage ->> 'cachedTokens')::bigint END,
  completion_tokens = CASE WHEN h.usage IS NULL THEN r.completion_tokens ELSE (h.usage ->> 'completionTokens')::bigint END,
  usd = CASE WHEN h.usage IS NULL THEN r.usd ELSE (h.usage ->> 'nanoUsd')::bigint / 1e9::float8 END,
  fees_nano_usd = CASE WHEN h.usage IS NULL THEN r.fees_nano_usd ELSE (h.usage ->> 'feesNanoUsd')::bigint END,
  gpu_ms = CASE WHEN h.usage IS NULL THEN r.gpu_ms ELSE (h.usage ->> 'gpuMs')::bigint END,
  lost_model_calls = r.lost_model_calls + (h.lost_tokens IS NOT NULL)::int,
  lost_prompt_tokens = r.lost_prompt_tokens + coalesce(h.lost_tokens, 0),
  worker_id = CASE WHEN h.state IS NULL THEN r.worker_id END,
  rung_at = CASE WHEN h.state = 'queued' THEN CASE WHEN h.fault IS NOT NULL THEN now() END ELSE r.rung_at END,
  not_before = now() + h.after_ms * interval '1 ms',
  ended_at = CASE WHEN h.state IS NULL OR h.state = 'queued' THEN NULL ELSE now() END
FROM held h WHERE r.tenant_id = h.tenant_id AND r.run_id = h.run_id
RETURNING h.ord, h.cancel_requested AS cancelled`;
