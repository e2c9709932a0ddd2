-- Addresses that a call may open, where its run opens known ones only; null where it does not, or nobody has said.
ALTER TABLE argosy.tool_calls ADD COLUMN opens jsonb;
