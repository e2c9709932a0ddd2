/** The invariants that the rows and their history decide. */

interface SqlInvariant {
  readonly invariant: string;
  /** Rows of (run_id, what); none where it holds. Parameter: what the questions of the runs begin with. */
  readonly sql: string;
}

/** The runs whose questions begin with parameter 1. */
export const scope = `scope AS (SELECT * FROM argosy.runs WHERE request ->> 'question' LIKE $1 || '%')`;
const terminal = `('completed', 'incomplete', 'failed', 'cancelled')`;

/** Tags of other runs in a text column. */
const strangers = (column: string): string =>
  `(SELECT string_agg(DISTINCT t.found[1], ' ') FROM regexp_matches(${column}, 's\\d\\dr\\d\\dk\\d\\d\\d', 'g') AS t (found)
    WHERE t.found[1] <> split_part(r.request ->> 'question', ':', 1))`;

const sumOf = (field: string): string =>
  `coalesce(sum((s.payload #>> '{reply,usage,${field}}')::bigint) FILTER (WHERE s.payload ->> 'kind' = 'model-replied'), 0)`;

/** Runs with what the model's reading of their pages cost, as their logs tell it: it counts as model calls, not as steps. */
export const readings = `read_in AS (
    SELECT r.*, x.readings, x.prompt_tokens_read, x.completion_tokens_read FROM scope r, LATERAL (
      SELECT coalesce(sum((u.cost ->> 'calls')::int), 0) AS readings,
        coalesce(sum((u.cost ->> 'promptTokens')::bigint), 0) AS prompt_tokens_read,
        coalesce(sum((u.cost ->> 'completionTokens')::bigint), 0) AS completion_tokens_read
      FROM argosy.steps s CROSS JOIN jsonb_path_query(s.payload, '$.calls[*]') AS called (ref)
        JOIN argosy.tool_calls c ON c.tenant_id = s.tenant_id AND c.run_id = s.run_id AND c.call_id = called.ref ->> 'callId'
        CROSS JOIN jsonb_path_query(c.result, '$.reading[*]') AS u (cost)
      WHERE s.tenant_id = r.tenant_id AND s.run_id = r.run_id AND s.payload ->> 'kind' = 'tools-returned') x)`;

export const sqlInvariants: readonly SqlInvariant[] = [
  {
    invariant: 'I1',
    sql: `WITH ${scope} SELECT run_id, 'is ' || state || ', ended ' || coalesce(ended_at::text, 'never') AS what FROM scope
      WHERE state NOT IN ${terminal} OR ended_at IS NULL`,
  },
  {
    invariant: 'I1',
    sql: `WITH ${scope}, ends AS (
        SELECT r.run_id, r.state, r.last_seq,
          array_agg(e.type ORDER BY e.seq) FILTER (WHERE e.type ~ '^run\\.(completed|incomplete|failed|cancelled)$') AS told,
          max(e.seq) FILTER (WHERE e.type = 'run.' || r.state) AS at
        FROM scope r LEFT JOIN argosy.events e USING (tenant_id, run_id) GROUP BY r.run_id, r.state, r.last_seq)
      SELECT run_id, format('ended as %s: %s at event %s of %s', state, told, at, last_seq) AS what FROM ends
      WHERE told IS DISTINCT FROM ARRAY['run.' || state] OR at IS DISTINCT FROM last_seq`,
  },
  {
    invariant: 'I1',
    sql: `WITH ${scope} SELECT h.run_id, format('went from %s to %s', h.was, h.became) AS what
      FROM scope r JOIN chaos.history h USING (tenant_id, run_id)
      WHERE h.what IN ('state', 'claimed') AND h.was IN ${terminal}`,
  },
  {
    invariant: 'I2',
    sql: `WITH ${scope}, logs AS (
        SELECT r.run_id, r.last_step, count(s.step_no) AS steps, coalesce(min(s.step_no), 1) AS first, coalesce(max(s.step_no), 0) AS last
        FROM scope r LEFT JOIN argosy.steps s USING (tenant_id, run_id) GROUP BY r.tenant_id, r.run_id, r.last_step)
      SELECT run_id, format('%s steps from %s to %s, the run says %s', steps, first, last, last_step) AS what FROM logs
      WHERE first <> 1 OR steps <> last OR last <> last_step`,
  },
  {
    invariant: 'I2',
    sql: `WITH ${scope}, logs AS (
        SELECT s.run_id, s.step_no, s.epoch, r.epoch AS latest, lag(s.epoch) OVER (PARTITION BY s.run_id ORDER BY s.step_no) AS before
        FROM scope r JOIN argosy.steps s USING (tenant_id, run_id))
      SELECT run_id, format('step %s of epoch %s after one of %s, latest %s', step_no, epoch, before, latest) AS what FROM logs
      WHERE epoch < before OR epoch > latest`,
  },
  {
    invariant: 'I2',
    sql: `WITH ${scope} SELECT h.run_id, h.was || ' was changed' AS what
      FROM scope r JOIN chaos.history h USING (tenant_id, run_id) WHERE h.what = 'rewritten'`,
  },
  {
    invariant: 'I3',
    sql: `WITH ${scope}, ${readings}, spent AS (
        SELECT r.tenant_id, r.run_id, r.report,
          count(*) FILTER (WHERE s.payload ->> 'kind' = 'model-replied') + r.readings AS model_calls,
          coalesce(sum(jsonb_array_length(s.payload -> 'calls')) FILTER (WHERE s.payload ->> 'kind' = 'tools-returned'), 0) AS tool_calls,
          ${sumOf('promptTokens')} + r.prompt_tokens_read AS prompt_tokens,
          ${sumOf('completionTokens')} + r.completion_tokens_read AS completion_tokens
        FROM read_in r LEFT JOIN argosy.steps s USING (tenant_id, run_id)
        GROUP BY r.tenant_id, r.run_id, r.report, r.readings, r.prompt_tokens_read, r.completion_tokens_read)
      SELECT s.run_id, format('usage %s, report %s, steps say %s', to_json(u), s.report -> 'usage', to_json(s)::jsonb - 'report') AS what
      FROM spent s JOIN (
        SELECT tenant_id, run_id, model_calls, tool_calls, prompt_tokens, completion_tokens FROM argosy.runs
      ) u USING (tenant_id, run_id)
      WHERE (u.model_calls, u.tool_calls, u.prompt_tokens, u.completion_tokens)
          IS DISTINCT FROM (s.model_calls::int, s.tool_calls::int, s.prompt_tokens::bigint, s.completion_tokens::bigint)
        OR s.report IS NOT NULL AND (u.model_calls, u.prompt_tokens, u.completion_tokens) IS DISTINCT FROM (
          (s.report #>> '{usage,model_calls}')::int, (s.report #>> '{usage,prompt_tokens}')::bigint,
          (s.report #>> '{usage,completion_tokens}')::bigint)`,
  },
  {
    invariant: 'I4',
    sql: `WITH ${scope}, ${readings} SELECT r.run_id, format('spent %s calls (%s for pages), %s tokens, %s usd of %s',
        r.model_calls, r.readings, r.prompt_tokens + r.completion_tokens, r.usd, r.request #> '{limits,budget}') AS what
      FROM read_in r WHERE r.model_calls - r.readings > (r.request #>> '{limits,budget,steps}')::int
        OR r.prompt_tokens + r.completion_tokens > (r.request #>> '{limits,budget,tokens}')::bigint
        OR r.usd > (r.request #>> '{limits,budget,usd}')::float8`,
  },
  {
    invariant: 'I5',
    sql: `WITH ${scope}, logs AS (
        SELECT r.run_id, r.last_seq, count(e.seq) AS events, min(e.seq) AS first, max(e.seq) AS last
        FROM scope r LEFT JOIN argosy.events e USING (tenant_id, run_id) GROUP BY r.tenant_id, r.run_id, r.last_seq)
      SELECT run_id, format('%s events from %s to %s, the run says %s', events, first, last, last_seq) AS what FROM logs
      WHERE first IS DISTINCT FROM 1 OR events IS DISTINCT FROM last OR last IS DISTINCT FROM last_seq`,
  },
  {
    invariant: 'I6',
    sql: `WITH ${scope}, texts AS (
        SELECT tenant_id, run_id, 'steps' AS place, payload::text AS text FROM argosy.steps
        UNION ALL SELECT tenant_id, run_id, 'events', data::text FROM argosy.events
        UNION ALL SELECT tenant_id, run_id, 'calls', args::text || coalesce(result::text, '') FROM argosy.tool_calls
        UNION ALL SELECT tenant_id, run_id, 'run', request::text || coalesce(report::text, '') FROM argosy.runs),
      strange AS (
        SELECT r.run_id, t.place, ${strangers('t.text')} AS tags FROM scope r JOIN texts t USING (tenant_id, run_id))
      SELECT run_id, format('its %s tell of %s', place, tags) AS what FROM strange WHERE tags IS NOT NULL`,
  },
  {
    invariant: 'I6',
    sql: `WITH ${scope}, rows AS (
        SELECT tenant_id, run_id, 'step' AS kind FROM argosy.steps
        UNION ALL SELECT tenant_id, run_id, 'event' FROM argosy.events
        UNION ALL SELECT tenant_id, run_id, 'call' FROM argosy.tool_calls)
      SELECT DISTINCT r.run_id, format('a %s of it belongs to %s', rows.kind, rows.tenant_id) AS what
      FROM scope r JOIN rows ON rows.run_id = r.run_id WHERE rows.tenant_id <> r.tenant_id`,
  },
  {
    invariant: 'I6',
    sql: `WITH ${scope} SELECT DISTINCT r.run_id, format('text %s is not of its tenant', left(found.sha #>> '{}', 12)) AS what
      FROM scope r JOIN argosy.tool_calls c USING (tenant_id, run_id)
      CROSS JOIN LATERAL jsonb_path_query(c.result, '$.sources[*].sha256') AS found (sha)
      WHERE NOT EXISTS (SELECT 1 FROM argosy.blobs b WHERE b.tenant_id = r.tenant_id AND b.sha256 = found.sha #>> '{}')`,
  },
  {
    invariant: 'I7',
    sql: `WITH ${scope}, cancelled AS (
        SELECT h.tenant_id, h.run_id, min(h.n) AS n FROM scope r JOIN chaos.history h USING (tenant_id, run_id)
        WHERE h.what = 'cancel' GROUP BY h.tenant_id, h.run_id)
      SELECT c.run_id, count(*) || ' steps after its end was asked for' AS what
      FROM cancelled c JOIN chaos.history h USING (tenant_id, run_id)
      WHERE h.what = 'step' AND h.became <> 'cancelled' AND h.n > c.n GROUP BY c.run_id HAVING count(*) > 1`,
  },
  {
    invariant: 'I8',
    sql: `WITH ${scope} SELECT h.run_id, format('a step of epoch %s was written when the run had epoch %s', h.epoch, h.run_epoch) AS what
      FROM scope r JOIN chaos.history h USING (tenant_id, run_id) WHERE h.what = 'step' AND h.epoch <> h.run_epoch`,
  },
  {
    invariant: 'I8',
    sql: `WITH ${scope} SELECT h.run_id, format('epoch %s was taken from a live owner', h.epoch) AS what
      FROM scope r JOIN chaos.history h USING (tenant_id, run_id)
      WHERE h.what = 'claimed' AND h.was = 'running' AND h.owner_alive`,
  },
  {
    invariant: 'I9',
    sql: `WITH ${scope} SELECT c.run_id, format('call %s is still %s', c.call_id, c.state) AS what
      FROM scope r JOIN argosy.tool_calls c USING (tenant_id, run_id) JOIN argosy.workers w ON w.worker_id = c.worker_id
      WHERE c.state = 'running' AND w.lease_until > now()`,
  },
  {
    invariant: 'paid',
    sql: `WITH ${scope} SELECT h.run_id, format('call %s went from %s to %s', h.call_id, h.was, h.became) AS what
      FROM scope r JOIN chaos.history h USING (tenant_id, run_id) WHERE h.what = 'call' AND h.was IN ('done', 'unknown')`,
  },
];
