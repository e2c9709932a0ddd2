import {
  type Budget,
  type Report,
  type ResearchRequest,
  type RunEventType,
  type StoredRequest,
  upcastRequest,
} from '#domain';
import type { Statements } from './database.ts';

/** States of a run as clients see them; the last four are terminal. */
export type RunStateName = 'queued' | 'running' | 'waiting' | 'completed' | 'incomplete' | 'failed' | 'cancelled';

/** A run as its owner may see it. Instants are ISO 8601. */
export interface RunView {
  readonly runId: string;
  readonly status: RunStateName;
  readonly question: string;
  readonly model: string;
  readonly acceptedAt: string;
  readonly startedAt: string | null;
  readonly endedAt: string | null;
  readonly metadata: Readonly<Record<string, string>>;
  /** What it may spend, as it was frozen when it was accepted. */
  readonly budget: Budget;
  /** Ids of the corpora that it may search. */
  readonly corpora: readonly string[];
  /** Runs of its tenant accepted before it that still wait, counted to 1,000: tenants take turns. Null once it has started. */
  readonly queuePosition: number | null;
  readonly report: Report | null;
  /** Model calls whose replies were lost with a worker, and their estimated prompt tokens: bought again, not charged. */
  readonly lost: { readonly modelCalls: number; readonly promptTokens: number };
}

/** A run with everything that was frozen when it was accepted. */
export interface RunRecord extends RunView {
  readonly request: ResearchRequest;
}

/** A durable event with its number. */
export interface StoredEvent {
  readonly seq: number;
  readonly type: RunEventType;
  readonly data: Readonly<Record<string, unknown>>;
  readonly at: string;
}

interface RunRow {
  readonly run_id: string;
  readonly state: RunStateName;
  readonly question: string;
  readonly model: string;
  readonly metadata: Record<string, string>;
  readonly budget: Budget;
  readonly corpora: string[];
  readonly accepted_at: Date;
  readonly started_at: Date | null;
  readonly ended_at: Date | null;
  readonly report: Report | null;
  readonly ahead: number | null;
  readonly lost_model_calls: number;
  readonly lost_prompt_tokens: number;
}

/** One that is put off is told as waiting: nothing but time brings it forward. */
const state = `CASE WHEN r.state = 'queued' AND r.not_before > now() THEN 'waiting' ELSE r.state END AS state`;

const columns = `r.run_id, ${state}, r.request ->> 'question' AS question, r.request ->> 'model' AS model,
  r.request -> 'metadata' AS metadata, r.request #> '{limits,budget}' AS budget,
  r.request #> '{sources,corpora}' AS corpora, r.accepted_at, r.started_at, r.ended_at, r.lost_model_calls, r.lost_prompt_tokens`;

/**
 * Runs before one that are counted: whoever waits behind more has no use for the figure. By their ids, which sort by time
 * and have an index: counting all that wait made each accept slower than the one before.
 */
export const mostAhead = 1_000;

const ahead = `CASE WHEN r.state = 'queued' AND (r.not_before IS NULL OR r.not_before <= now()) THEN (SELECT count(*)::int FROM (
    SELECT 1 FROM argosy.runs b WHERE b.tenant_id = r.tenant_id AND b.state = 'queued' AND b.run_id < r.run_id
    ORDER BY b.run_id LIMIT ${mostAhead}) AS before) END AS ahead`;

/** Where a run stands, without all that is kept of it. */
export interface Standing {
  readonly status: RunStateName;
  readonly queuePosition: number | null;
}

/** Where a run stands, or null. */
export async function getStanding(database: Statements, tenantId: string, runId: string): Promise<Standing | null> {
  const { rows } = await database.query<{ state: RunStateName; ahead: number | null }>(
    `SELECT ${state}, ${ahead} FROM argosy.runs r WHERE r.tenant_id = $1 AND r.run_id = $2`,
    [tenantId, runId],
  );
  return rows[0] === undefined ? null : { status: rows[0].state, queuePosition: rows[0].ahead };
}

/** One run with its request and its report, or null. */
export async function getRun(database: Statements, tenantId: string, runId: string): Promise<RunRecord | null> {
  const { rows } = await database.query<RunRow & { readonly request: StoredRequest }>(
    `SELECT ${columns}, r.request, r.report, ${ahead}
     FROM argosy.runs r WHERE r.tenant_id = $1 AND r.run_id = $2`,
    [tenantId, runId],
  );
  return rows[0] === undefined ? null : { ...toView(rows[0]), request: upcastRequest(rows[0].request) };
}

/** Which of a tenant's runs are wanted. */
export interface RunPage {
  /** The id that all of them sort before; null for the newest. */
  readonly before: string | null;
  readonly limit: number;
  /** Stands in their questions, in any case. */
  readonly search?: string | undefined;
  readonly status?: RunStateName | undefined;
  /** Accepted then or later, and before that; ISO 8601. */
  readonly since?: string | undefined;
  readonly until?: string | undefined;
}

/**
 * Runs of a tenant without their reports, newest first, below the cursor. Run ids sort by time.
 * Cost: what fits nothing looks at every run of the tenant between the two instants.
 */
export async function listRuns(
  database: Statements,
  tenantId: string,
  { before, limit, search, status, since, until }: RunPage,
): Promise<RunView[]> {
  const { rows } = await database.query<RunRow>(
    `SELECT * FROM (
       SELECT ${columns}, NULL AS report, NULL::int AS ahead FROM argosy.runs r
       WHERE r.tenant_id = $1 AND ($2::text IS NULL OR r.run_id < $2)
         AND ($4::text IS NULL OR strpos(lower(r.request ->> 'question'), lower($4)) > 0)
         AND ($5::timestamptz IS NULL OR r.accepted_at >= $5) AND ($6::timestamptz IS NULL OR r.accepted_at < $6)
     ) AS r WHERE $7::text IS NULL OR r.state = $7 ORDER BY r.run_id DESC LIMIT $3`,
    [tenantId, before, limit, search ?? null, since ?? null, until ?? null, status ?? null],
  );
  return rows.map(toView);
}

/** How far the durable events of a run go. */
export interface Position {
  /** Number of the last one. */
  readonly last: number;
  /** Whether that is the terminal one. */
  readonly ended: boolean;
}

/** Positions of some of a tenant's runs, by run id. A run that is gone is left out. */
export async function readPositions(
  database: Statements,
  tenantId: string,
  runIds: readonly string[],
): Promise<Map<string, Position>> {
  const { rows } = await database.query<{ run_id: string; last_seq: number | string; ended: boolean }>(
    `SELECT run_id, last_seq, ended_at IS NOT NULL AS ended FROM argosy.runs
     WHERE tenant_id = $1 AND run_id = ANY($2::text[])`,
    [tenantId, runIds],
  );
  return new Map(rows.map(({ run_id, last_seq, ended }) => [run_id, { last: Number(last_seq), ended }]));
}

/** Most events of one look at the database. */
export const eventPage = 500;

/** Durable events after number `after`, oldest first, at most 500. */
export async function readEvents(
  database: Statements,
  tenantId: string,
  runId: string,
  after: number,
): Promise<StoredEvent[]> {
  const { rows } = await database.query<{
    seq: number | string;
    type: RunEventType;
    data: StoredEvent['data'];
    at: Date;
  }>(
    `SELECT seq, type, data, at FROM argosy.events
     WHERE tenant_id = $1 AND run_id = $2 AND seq > $3 ORDER BY seq LIMIT $4`,
    [tenantId, runId, after, eventPage],
  );
  return rows.map(({ seq, type, data, at }) => ({ seq: Number(seq), type, data, at: at.toISOString() }));
}

/** All durable events of a run so far, oldest first. */
export async function readAllEvents(database: Statements, tenantId: string, runId: string): Promise<StoredEvent[]> {
  const all: StoredEvent[] = [];
  for (;;) {
    const page = await readEvents(database, tenantId, runId, all.at(-1)?.seq ?? 0);
    all.push(...page);
    if (page.length < eventPage) return all;
  }
}

function toView(row: RunRow): RunView {
  return {
    runId: row.run_id,
    status: row.state,
    question: row.question,
    model: row.model,
    metadata: row.metadata,
    budget: row.budget,
    corpora: row.corpora,
    acceptedAt: row.accepted_at.toISOString(),
    startedAt: row.started_at?.toISOString() ?? null,
    endedAt: row.ended_at?.toISOString() ?? null,
    queuePosition: row.ahead,
    report: row.report,
    lost: { modelCalls: row.lost_model_calls, promptTokens: Number(row.lost_prompt_tokens) },
  };
}
