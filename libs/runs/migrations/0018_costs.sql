-- What each step of a run cost, so that a bill can be told line by line and adds up. Money is whole billionths of a USD.

-- What an earlier release wrote has none of it.
ALTER TABLE argosy.steps
  ADD COLUMN prompt_tokens     bigint,
  ADD COLUMN cached_tokens     bigint,
  ADD COLUMN completion_tokens bigint,
  ADD COLUMN nano_usd          bigint,
  -- Of these, the fees of tools.
  ADD COLUMN fees_nano_usd     bigint,
  -- Time of GPUs, in ms; null where no server has said.
  ADD COLUMN gpu_ms            bigint;

-- `usd` of a run is its billionths divided by a billion: up to a million USD, those come back from it exactly.
ALTER TABLE argosy.runs
  ADD COLUMN fees_nano_usd bigint NOT NULL DEFAULT 0,
  ADD COLUMN gpu_ms        bigint;

CREATE FUNCTION argosy.nano_usd(usd double precision) RETURNS bigint LANGUAGE sql IMMUTABLE SET search_path = '' AS $$
  SELECT round(usd * 1e9)::bigint
$$;

-- What prompts would have cost whose replies were lost, by the price at the acceptance; nobody is charged for them.
CREATE FUNCTION argosy.lost_nano_usd(request jsonb, tokens bigint) RETURNS bigint LANGUAGE sql IMMUTABLE SET search_path = '' AS $$
  SELECT round(tokens * coalesce((request #>> '{limits,prices,promptUsd}')::numeric, 0) * 1000)::bigint
$$;

-- Of runs that are gone, to the last billionth, and what was lost on the way.
ALTER TABLE argosy.past_usage
  ADD COLUMN nano_usd           bigint NOT NULL DEFAULT 0,
  ADD COLUMN fees_nano_usd      bigint NOT NULL DEFAULT 0,
  ADD COLUMN gpu_ms             bigint,
  ADD COLUMN lost_model_calls   bigint NOT NULL DEFAULT 0,
  ADD COLUMN lost_prompt_tokens bigint NOT NULL DEFAULT 0,
  ADD COLUMN lost_nano_usd      bigint NOT NULL DEFAULT 0;
UPDATE argosy.past_usage SET nano_usd = argosy.nano_usd(usd);

-- As in 0008, with the new columns.
CREATE OR REPLACE FUNCTION argosy.forget_history() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  DELETE FROM argosy.steps s USING gone g WHERE s.tenant_id = g.tenant_id AND s.run_id = g.run_id;
  DELETE FROM argosy.events e USING gone g WHERE e.tenant_id = g.tenant_id AND e.run_id = g.run_id;
  DELETE FROM argosy.tool_calls c USING gone g WHERE c.tenant_id = g.tenant_id AND c.run_id = g.run_id;

  PERFORM FROM argosy.blobs b WHERE (b.tenant_id, b.sha256) IN (
    SELECT t.tenant_id, t.sha256 FROM argosy.run_texts t JOIN gone g ON t.tenant_id = g.tenant_id AND t.run_id = g.run_id)
  ORDER BY b.tenant_id, b.sha256 FOR UPDATE;
  WITH freed AS (
    SELECT DISTINCT t.tenant_id, t.sha256 FROM argosy.run_texts t
    JOIN gone g ON t.tenant_id = g.tenant_id AND t.run_id = g.run_id
  )
  DELETE FROM argosy.blobs b USING freed f
  WHERE b.tenant_id = f.tenant_id AND b.sha256 = f.sha256 AND NOT EXISTS (
    SELECT 1 FROM argosy.run_texts o WHERE o.tenant_id = f.tenant_id AND o.sha256 = f.sha256
      AND NOT EXISTS (SELECT 1 FROM gone g WHERE g.tenant_id = o.tenant_id AND g.run_id = o.run_id));
  DELETE FROM argosy.run_texts t USING gone g WHERE t.tenant_id = g.tenant_id AND t.run_id = g.run_id;

  -- Evidence does not say who looked it up: all that was made for the tenant while the run, or a late call of it, worked,
  -- and what is being made while it works. Whoever made that finds his claim gone and stores nothing.
  DELETE FROM argosy.evidence e USING gone g
  WHERE e.tenant_id = g.tenant_id AND (
    e.made_at BETWEEN g.accepted_at AND coalesce(g.ended_at, now()) + interval '1 hour'
    OR (e.claim_id IS NOT NULL AND g.ended_at IS NULL));

  INSERT INTO argosy.past_usage AS p (tenant_id, day, runs, model_calls, tool_calls, prompt_tokens, cached_tokens,
    completion_tokens, usd, nano_usd, fees_nano_usd, gpu_ms, lost_model_calls, lost_prompt_tokens, lost_nano_usd)
  SELECT tenant_id, (accepted_at AT TIME ZONE 'UTC')::date, count(*), sum(model_calls), sum(tool_calls),
    sum(prompt_tokens), sum(cached_tokens), sum(completion_tokens), sum(argosy.nano_usd(usd)) / 1e9::float8,
    sum(argosy.nano_usd(usd)), sum(fees_nano_usd), sum(gpu_ms), sum(lost_model_calls), sum(lost_prompt_tokens),
    sum(argosy.lost_nano_usd(request, lost_prompt_tokens))
  FROM gone GROUP BY 1, 2 ORDER BY 1, 2
  ON CONFLICT (tenant_id, day) DO UPDATE SET
    runs = p.runs + EXCLUDED.runs, model_calls = p.model_calls + EXCLUDED.model_calls,
    tool_calls = p.tool_calls + EXCLUDED.tool_calls, prompt_tokens = p.prompt_tokens + EXCLUDED.prompt_tokens,
    cached_tokens = p.cached_tokens + EXCLUDED.cached_tokens,
    completion_tokens = p.completion_tokens + EXCLUDED.completion_tokens,
    usd = (p.nano_usd + EXCLUDED.nano_usd) / 1e9::float8, nano_usd = p.nano_usd + EXCLUDED.nano_usd,
    fees_nano_usd = p.fees_nano_usd + EXCLUDED.fees_nano_usd,
    gpu_ms = CASE WHEN p.gpu_ms IS NULL THEN EXCLUDED.gpu_ms ELSE p.gpu_ms + coalesce(EXCLUDED.gpu_ms, 0) END,
    lost_model_calls = p.lost_model_calls + EXCLUDED.lost_model_calls,
    lost_prompt_tokens = p.lost_prompt_tokens + EXCLUDED.lost_prompt_tokens,
    lost_nano_usd = p.lost_nano_usd + EXCLUDED.lost_nano_usd;
  RETURN NULL;
END $$;
