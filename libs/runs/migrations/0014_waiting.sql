-- A run that found its model busy is in the backlog, and due from this instant on.
ALTER TABLE argosy.runs ADD COLUMN not_before timestamptz;
