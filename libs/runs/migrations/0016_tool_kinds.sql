-- Kinds of calls that a tool worker takes; null: any, as workers did before they had kinds.
ALTER TABLE argosy.workers ADD COLUMN kinds text[];

-- The kind that a call was handed to by a worker that could not perform it; null: that of its tool.
ALTER TABLE argosy.tool_calls ADD COLUMN handed_to text;

-- When a call was asked for: its rings are repeated, and how long it waits is counted from here.
ALTER TABLE argosy.tool_calls ADD COLUMN asked_at timestamptz NOT NULL DEFAULT now();
