-- Which trace the work belongs to, as W3C `traceparent`: 00-<trace>-<span>-<flags>.

-- A run that came without one (of an older gateway, or accepted before this) gets a trace of its own, not sampled.
ALTER TABLE argosy.runs ADD COLUMN traceparent text NOT NULL DEFAULT
  '00-' || replace(gen_random_uuid()::text, '-', '') || '-' || right(replace(gen_random_uuid()::text, '-', ''), 16) || '-00';

-- The span of the step, within the trace of its run; null where the worker named none.
ALTER TABLE argosy.steps ADD COLUMN span_id text;

-- The span of the step that asked for the call; null: that of the run.
ALTER TABLE argosy.tool_calls ADD COLUMN traceparent text;
