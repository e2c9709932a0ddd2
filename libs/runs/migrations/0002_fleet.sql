-- What many processes need that may die at any moment.

-- Units of work that a worker takes at the same time; 0 while it is leaving.
ALTER TABLE argosy.workers ADD COLUMN slots integer NOT NULL DEFAULT 0;

ALTER TABLE argosy.runs
  -- Claims since the last committed step whose owner died or failed: what tells a run that kills its workers.
  ADD COLUMN lost_claims integer NOT NULL DEFAULT 0,
  -- Estimated prompt tokens of the model call that the last commit announced; null where none is due.
  ADD COLUMN asked_tokens integer;

-- Model calls whose reply was on its way when their worker was lost: bought again, and charged once.
ALTER TABLE argosy.usage
  ADD COLUMN lost_model_calls integer NOT NULL DEFAULT 0,
  ADD COLUMN lost_prompt_tokens bigint NOT NULL DEFAULT 0;

ALTER TABLE argosy.tool_calls ADD COLUMN rung_at timestamptz;
CREATE INDEX tool_calls_unfinished ON argosy.tool_calls (rung_at) WHERE state IN ('intent', 'running');

-- Work that one process at a time does for all, such as dispatching.
CREATE TABLE argosy.leaders (
  duty        text PRIMARY KEY,
  worker_id   text NOT NULL,
  lease_until timestamptz NOT NULL
);
