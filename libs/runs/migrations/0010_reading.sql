-- Pages that the run's model may read for a call; null where it reads none.
ALTER TABLE argosy.tool_calls ADD COLUMN readings integer;
