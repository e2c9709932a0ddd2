-- What each step of a run costs, again: see 0005.

-- What a run has spent is written with every step, and so is its row: one update does for both.
ALTER TABLE argosy.runs
  ADD COLUMN model_calls        integer NOT NULL DEFAULT 0,
  ADD COLUMN tool_calls         integer NOT NULL DEFAULT 0,
  ADD COLUMN prompt_tokens      bigint NOT NULL DEFAULT 0,
  ADD COLUMN cached_tokens      bigint NOT NULL DEFAULT 0,
  ADD COLUMN completion_tokens  bigint NOT NULL DEFAULT 0,
  ADD COLUMN usd                double precision NOT NULL DEFAULT 0,
  -- Model calls whose reply was on its way when their worker was lost: bought again, and charged once.
  ADD COLUMN lost_model_calls   integer NOT NULL DEFAULT 0,
  ADD COLUMN lost_prompt_tokens bigint NOT NULL DEFAULT 0;
UPDATE argosy.runs r SET
  model_calls = u.model_calls, tool_calls = u.tool_calls, prompt_tokens = u.prompt_tokens, cached_tokens = u.cached_tokens,
  completion_tokens = u.completion_tokens, usd = u.usd,
  lost_model_calls = u.lost_model_calls, lost_prompt_tokens = u.lost_prompt_tokens
FROM argosy.usage u WHERE u.tenant_id = r.tenant_id AND u.run_id = r.run_id;
-- Whatever still writes to it is of an earlier release and would lose what it writes: it fails instead.
DROP TABLE argosy.usage;

-- Calls are written where steps and events are, under the lock of their run's row.
ALTER TABLE argosy.tool_calls DROP CONSTRAINT tool_calls_tenant_id_run_id_fkey;
CREATE OR REPLACE FUNCTION argosy.forget_history() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  DELETE FROM argosy.steps s USING gone g WHERE s.tenant_id = g.tenant_id AND s.run_id = g.run_id;
  DELETE FROM argosy.events e USING gone g WHERE e.tenant_id = g.tenant_id AND e.run_id = g.run_id;
  DELETE FROM argosy.tool_calls c USING gone g WHERE c.tenant_id = g.tenant_id AND c.run_id = g.run_id;
  RETURN NULL;
END $$;
