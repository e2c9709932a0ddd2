-- Each step is a trace of its own, linked to that of its run.

-- The trace that `span_id` belongs to; null in steps of older releases: that of their run.
ALTER TABLE argosy.steps ADD COLUMN trace_id text;
