-- What each step of a run costs.

-- Both are updated with every step. Room in their pages keeps those updates off the indexes.
ALTER TABLE argosy.runs SET (fillfactor = 50);
ALTER TABLE argosy.usage SET (fillfactor = 50);

-- Steps and events are written only under the lock of their run's row, in one statement with it: that row is there. Looking
-- for it again with every row cost a quarter of each commit. What remains of the reference is that they go with their run.
ALTER TABLE argosy.steps DROP CONSTRAINT steps_tenant_id_run_id_fkey;
ALTER TABLE argosy.events DROP CONSTRAINT events_tenant_id_run_id_fkey;
CREATE FUNCTION argosy.forget_history() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  DELETE FROM argosy.steps s USING gone g WHERE s.tenant_id = g.tenant_id AND s.run_id = g.run_id;
  DELETE FROM argosy.events e USING gone g WHERE e.tenant_id = g.tenant_id AND e.run_id = g.run_id;
  RETURN NULL;
END $$;
CREATE TRIGGER forget_history AFTER DELETE ON argosy.runs REFERENCING OLD TABLE AS gone
  FOR EACH STATEMENT EXECUTE FUNCTION argosy.forget_history();
