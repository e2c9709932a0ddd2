-- Bytes may lie outside of the database: each row says where its own are. An object has an id that is never used again.

-- Objects that no row names: those that are being written, and those whose row is gone. The sweep takes them.
CREATE TABLE argosy.loose_objects (
  tenant_id text NOT NULL,
  object_id text NOT NULL,
  -- From this instant (database clock) on nothing may name it any more.
  due_at    timestamptz NOT NULL,
  PRIMARY KEY (tenant_id, object_id)
);
CREATE INDEX loose_objects_by_time ON argosy.loose_objects (due_at);

ALTER TABLE argosy.blobs ALTER COLUMN text DROP NOT NULL;
ALTER TABLE argosy.blobs ADD COLUMN object_id text;
-- Not of the rows that are there, which have no object: to look at them all would keep everyone waiting.
ALTER TABLE argosy.blobs ADD CONSTRAINT blobs_are_somewhere CHECK ((text IS NULL) <> (object_id IS NULL)) NOT VALID;

ALTER TABLE argosy.content_parts ALTER COLUMN data DROP NOT NULL;
ALTER TABLE argosy.content_parts ADD COLUMN object_id text;
-- Of its bytes, where they lie elsewhere.
ALTER TABLE argosy.content_parts ADD COLUMN bytes integer;
ALTER TABLE argosy.content_parts ADD COLUMN sha256 text;
ALTER TABLE argosy.content_parts ADD CONSTRAINT content_parts_are_somewhere
  CHECK ((data IS NULL) <> (object_id IS NULL) AND (object_id IS NULL) = (sha256 IS NULL)
    AND (object_id IS NULL) = (bytes IS NULL)) NOT VALID;

-- A row that goes leaves its object to the sweep, whoever removes it.
CREATE FUNCTION argosy.loosen_objects() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO argosy.loose_objects (tenant_id, object_id, due_at)
  SELECT g.tenant_id, g.object_id, '-infinity' FROM gone g WHERE g.object_id IS NOT NULL
  ON CONFLICT (tenant_id, object_id) DO UPDATE SET due_at = EXCLUDED.due_at;
  RETURN NULL;
END $$;
CREATE TRIGGER loosen_texts AFTER DELETE ON argosy.blobs
  REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION argosy.loosen_objects();
CREATE TRIGGER loosen_parts AFTER DELETE ON argosy.content_parts
  REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION argosy.loosen_objects();

ALTER TABLE argosy.loose_objects ENABLE ROW LEVEL SECURITY;
ALTER TABLE argosy.loose_objects FORCE ROW LEVEL SECURITY;
CREATE POLICY of_its_tenant ON argosy.loose_objects TO argosy_gateway
  USING (tenant_id = nullif(current_setting('argosy.tenant', true), ''))
  WITH CHECK (tenant_id = nullif(current_setting('argosy.tenant', true), ''));
CREATE POLICY of_the_fleet ON argosy.loose_objects TO argosy_fleet USING (true) WITH CHECK (true);
GRANT SELECT, INSERT, UPDATE, DELETE ON argosy.loose_objects TO argosy_fleet, argosy_gateway;
