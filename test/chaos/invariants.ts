/** The invariants of a fleet, checked against the rows, their history, and what clients, model and pages saw. */
import type { Client } from 'pg';
import type { Refusal, SeenEvent } from './clients.ts';
import { readings, scope as runsInScope, sqlInvariants } from './invariants-sql.ts';
import { type Asking, shapeOf, type Tag, tagPattern, type Visit } from './world.ts';

/** What was seen of the runs of one scenario from outside the database. */
export interface Observed {
  /** What the tags of the scenario's runs begin with. */
  readonly scope: string;
  readonly accepted: readonly { readonly key: string; readonly runId: string }[];
  readonly refused: readonly Refusal[];
  readonly streams: ReadonlyMap<string, readonly SeenEvent[]>;
  readonly visits: readonly Visit[];
  readonly asked: readonly Asking[];
  /** The process behind a connection to the database, by the port on its side and when it was used. */
  readonly processOf: (port: number, at: Date) => string | undefined;
  /** The report of an undisturbed run of each shape, as {@link plainReport} has it. Empty: not compared. */
  readonly reports: ReadonlyMap<number, string>;
  /** Runs whose end was asked for: their reports are their own. */
  readonly cancelled: ReadonlySet<string>;
}

/** An invariant that did not hold. */
export interface Violation {
  readonly invariant: string;
  /** Empty where it is not of one run. */
  readonly runId: string;
  readonly what: string;
}

/** Looks at everything. Empty when all is as it must be. Meant for runs that have ended. */
export async function checkInvariants(client: Client, observed: Observed): Promise<Violation[]> {
  const bySql: Violation[] = [];
  for (const { invariant, sql } of sqlInvariants) {
    const { rows } = await client.query<{ run_id: string; what: string }>(sql, [observed.scope]);
    bySql.push(...rows.map((row) => ({ invariant, runId: row.run_id, what: row.what })));
  }
  const runs = await readRuns(client, observed.scope);
  return [
    ...bySql,
    ...acceptance(runs, observed),
    ...(await streams(client, observed)),
    ...(await writers(client, observed)),
    ...(await payments(client, observed)),
    ...(await waste(client, observed)),
    ...(await citations(client, runs)),
    ...reports(runs, observed),
    ...refusals(observed),
  ];
}

/** A report without what differs between two runs of one shape. */
export function plainReport(report: object): string {
  return JSON.stringify(report, (name, value: unknown) => {
    if (name === 'run_id' || name === 'fetched_at' || name === 'seconds') return undefined;
    return typeof value === 'string' ? value.replace(tagPattern, 'tag') : value;
  });
}

interface Citation {
  readonly source: string;
  readonly start: number;
  readonly end: number;
  readonly quote: string;
}

interface Run {
  readonly tenant_id: string;
  readonly run_id: string;
  readonly state: string;
  readonly tag: Tag;
  readonly idempotency_key: string | null;
  readonly report: null | {
    readonly sources: readonly { readonly id: string; readonly sha256: string }[];
    readonly claims: readonly { readonly citations: readonly Citation[] }[];
  };
}

async function readRuns(client: Client, scope: string): Promise<Run[]> {
  const { rows } = await client.query<Run>(
    `SELECT tenant_id, run_id, state, split_part(request ->> 'question', ':', 1) AS tag, idempotency_key, report
     FROM argosy.runs WHERE request ->> 'question' LIKE $1 || '%'`,
    [scope],
  );
  return rows;
}

/** I11, I12: what was accepted is there, once. */
function acceptance(runs: readonly Run[], { accepted }: Observed): Violation[] {
  const violations: Violation[] = [];
  const byKey = new Map<string, string>();
  const known = new Set(runs.map((run) => run.run_id));
  for (const { key, runId } of accepted) {
    const first = byKey.get(key) ?? runId;
    byKey.set(key, first);
    if (first !== runId) violations.push({ invariant: 'I11', runId, what: `key ${key} was ${first} before` });
    if (!known.has(runId)) violations.push({ invariant: 'I12', runId, what: 'was accepted and is not there' });
  }
  for (const { run_id: runId, idempotency_key: key } of runs) {
    const stray = key !== null && byKey.get(key) !== runId;
    if (stray)
      violations.push({ invariant: 'I11', runId, what: `has key ${key}, which a client knows as another run` });
  }
  return violations;
}

/** I5: every client saw every event once and in order. */
async function streams(client: Client, { streams: seen }: Observed): Promise<Violation[]> {
  const { rows } = await client.query<{ run_id: string; events: string }>(
    `SELECT run_id, string_agg(seq || ' ' || type, ',' ORDER BY seq) AS events FROM argosy.events
     WHERE run_id = ANY ($1) GROUP BY run_id`,
    [[...seen.keys()]],
  );
  const stored = new Map(rows.map((row) => [row.run_id, row.events]));
  return [...seen].flatMap(([runId, events]) => {
    const heard = events.map(({ id, type }) => `${id} ${type}`).join(',');
    const told = stored.get(runId);
    return heard === told ? [] : [{ invariant: 'I5', runId, what: `its client saw ${heard}, the record has ${told}` }];
  });
}

interface Write {
  readonly at: Date;
  readonly what: string;
  readonly run_id: string;
  readonly port: number;
  readonly worker_id: string;
  readonly owner_alive: boolean;
  readonly was: string;
  readonly became: string;
}

const finished: ReadonlySet<string> = new Set(['completed', 'incomplete', 'done', 'unknown']);

/** I8: what belongs to a live worker is changed by its process alone. */
async function writers(client: Client, { scope, processOf }: Observed): Promise<Violation[]> {
  const joined = await client.query<{ worker_id: string; port: number; at: Date }>(
    `SELECT worker_id, port, at FROM chaos.history WHERE what = 'joined'`,
  );
  const processes = new Map(joined.rows.map((row) => [row.worker_id, processOf(row.port, row.at)]));
  const { rows } = await client.query<Write>(
    `SELECT h.at, h.what, h.run_id, h.port, h.worker_id, h.owner_alive, h.was, h.became
     FROM chaos.history h JOIN argosy.runs r USING (tenant_id, run_id)
     WHERE r.request ->> 'question' LIKE $1 || '%' AND h.what IN ('state', 'call', 'claimed') AND h.was = 'running'
       AND h.worker_id IS NOT NULL ORDER BY h.n`,
    [scope],
  );
  return rows.flatMap(({ at, what, run_id: runId, port, worker_id: owner, owner_alive: alive, was, became }) => {
    const [by, of] = [processOf(port, at), processes.get(owner)];
    // Only the worker itself finishes what it has; what it left behind may be taken by anybody, to be done again.
    if ((by !== undefined && by === of) || (!alive && !finished.has(became))) return [];
    const state = alive ? 'alive' : 'gone';
    return [
      { invariant: 'I8', runId, what: `${what} ${was} -> ${became} by ${by}, owned by ${of} (${owner}, ${state})` },
    ];
  });
}

interface Call {
  readonly run_id: string;
  readonly tag: Tag;
  readonly state: string;
  readonly attempt: number;
  readonly url: string | null;
  readonly done_at: Date | null;
}

/** A clock is read before the write and another after the request: they are one clock, but not one instant. */
const skewMs = 2;

/** Nothing is paid for again whose result is known, and nothing more often than it was begun. */
async function payments(client: Client, { scope, visits }: Observed): Promise<Violation[]> {
  const { rows } = await client.query<Call>(
    `SELECT c.run_id, c.state, c.attempt, c.args -> 'url' ->> 0 AS url, (
       SELECT max(h.at) FROM chaos.history h
       WHERE h.tenant_id = c.tenant_id AND h.run_id = c.run_id AND h.call_id = c.call_id AND h.became = 'done') AS done_at
     FROM argosy.tool_calls c JOIN argosy.runs r USING (tenant_id, run_id)
     WHERE r.request ->> 'question' LIKE $1 || '%' AND c.tool = 'visit'`,
    [scope],
  );
  const byUrl = Map.groupBy(visits, ({ url }) => url);
  return rows.flatMap(({ run_id: runId, url, attempt, done_at: doneAt }) => {
    const paid = byUrl.get(url ?? '') ?? [];
    const late = doneAt === null ? [] : paid.filter(({ at }) => at > doneAt.getTime() + skewMs);
    return [
      ...(paid.length > attempt
        ? [{ invariant: 'paid', runId, what: `${url}: ${paid.length} times in ${attempt} attempts` }]
        : []),
      ...(late.length > 0 ? [{ invariant: 'paid', runId, what: `${url}: again after its result was known` }] : []),
    ];
  });
}

/** I3: what the model was asked for a step beyond what counts was lost with a worker, and that is written down. */
async function waste(client: Client, { scope, asked, cancelled }: Observed): Promise<Violation[]> {
  const { rows } = await client.query<{ run_id: string; tag: Tag; model_calls: number; lost_model_calls: number }>(
    `WITH ${runsInScope}, ${readings} SELECT r.run_id, split_part(r.request ->> 'question', ':', 1) AS tag,
       (r.model_calls - r.readings)::int AS model_calls, r.lost_model_calls FROM read_in r`,
    [scope],
  );
  const byTag = Map.groupBy(asked, ({ tag }) => tag);
  return rows.flatMap(({ run_id: runId, tag, model_calls: counted, lost_model_calls: lost }) => {
    const times = byTag.get(tag)?.length ?? 0;
    if (cancelled.has(runId) || times <= counted + lost) return [];
    return [
      { invariant: 'I3', runId, what: `the model was asked ${times} times; ${counted} count, ${lost} are told lost` },
    ];
  });
}

/** I10: each quotation stands where its citation says, in a text of the run's own tenant. */
async function citations(client: Client, runs: readonly Run[]): Promise<Violation[]> {
  const { rows } = await client.query<{ tenant_id: string; sha256: string; text: string }>(
    'SELECT tenant_id, sha256, text FROM argosy.blobs',
  );
  const texts = new Map(rows.map((row) => [`${row.tenant_id} ${row.sha256}`, row.text]));
  return runs.flatMap(({ tenant_id: tenantId, run_id: runId, report }) => {
    const hashes = new Map(report?.sources.map(({ id, sha256 }) => [id, sha256]));
    const cited = report?.claims.flatMap((claim) => claim.citations) ?? [];
    return cited.flatMap(({ source, start, end, quote }) => {
      const text = texts.get(`${tenantId} ${hashes.get(source)}`);
      if (text?.slice(start, end) === quote) return [];
      return [{ invariant: 'I10', runId, what: `${source} ${start}-${end} is not ${JSON.stringify(quote)}` }];
    });
  });
}

/** A disturbed run tells what an undisturbed one does. */
function reports(runs: readonly Run[], { reports: expected, cancelled }: Observed): Violation[] {
  return runs.flatMap(({ run_id: runId, tag, state, report }) => {
    const undisturbed = expected.get(shapeOf(tag));
    if (undisturbed === undefined || cancelled.has(runId)) return [];
    const actual = report === null ? 'none' : plainReport(report);
    if (actual === undisturbed) return [];
    return [{ invariant: 'report', runId, what: `${state}: ${difference(actual, undisturbed)}` }];
  });
}

/** Where two texts part, and what comes then. */
function difference(actual: string, expected: string): string {
  let at = 0;
  while (actual[at] === expected[at]) at += 1;
  const from = (text: string): string => text.slice(Math.max(0, at - 40), at + 120);
  return `...${from(actual)}... instead of ...${from(expected)}...`;
}

/** I12: whoever is refused for the moment is told so, and when to come again. */
function refusals({ refused }: Observed): Violation[] {
  return refused.flatMap(({ status, retryAfter, body }) => {
    const polite = (status === 429 || status === 503) && retryAfter !== null && /^\d+$/.test(retryAfter);
    return polite ? [] : [{ invariant: 'I12', runId: '', what: `${status}, Retry-After ${retryAfter}: ${body}` }];
  });
}
