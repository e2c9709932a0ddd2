-- Tenants: what each may, what stays of its runs, and a database that keeps one from another's rows.

CREATE TABLE argosy.tenants (
  tenant_id  text PRIMARY KEY CHECK (tenant_id <> ''),
  name       text NOT NULL,
  -- What differs from the deployment's own settings; an empty object where nothing does.
  settings   jsonb NOT NULL DEFAULT '{}',
  created_at timestamptz NOT NULL DEFAULT now()
);

-- Which runs a text belongs to: with the last of them it goes.
CREATE TABLE argosy.run_texts (
  tenant_id text NOT NULL,
  run_id    text NOT NULL,
  sha256    text NOT NULL,
  PRIMARY KEY (tenant_id, run_id, sha256)
);
CREATE INDEX run_texts_by_hash ON argosy.run_texts (tenant_id, sha256);
INSERT INTO argosy.run_texts (tenant_id, run_id, sha256)
SELECT DISTINCT c.tenant_id, c.run_id, b.sha256
FROM argosy.tool_calls c
  CROSS JOIN LATERAL regexp_matches(c.result::text, '(?<![0-9a-f])[0-9a-f]{64}(?![0-9a-f])', 'g') AS found (hash)
  JOIN argosy.blobs b ON b.tenant_id = c.tenant_id AND b.sha256 = found.hash[1]
WHERE c.result IS NOT NULL;

-- What runs that are gone had spent, by the UTC day of their acceptance: what was spent stays spent.
CREATE TABLE argosy.past_usage (
  tenant_id         text NOT NULL,
  day               date NOT NULL,
  runs              bigint NOT NULL,
  model_calls       bigint NOT NULL,
  tool_calls        bigint NOT NULL,
  prompt_tokens     bigint NOT NULL,
  cached_tokens     bigint NOT NULL,
  completion_tokens bigint NOT NULL,
  usd               double precision NOT NULL,
  PRIMARY KEY (tenant_id, day)
);

-- A run that goes takes with it all that only it has. The texts are locked first, and looked at by a statement of its own,
-- which sees who has cited them meanwhile; whoever cites one locks it, too.
CREATE OR REPLACE FUNCTION argosy.forget_history() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  DELETE FROM argosy.steps s USING gone g WHERE s.tenant_id = g.tenant_id AND s.run_id = g.run_id;
  DELETE FROM argosy.events e USING gone g WHERE e.tenant_id = g.tenant_id AND e.run_id = g.run_id;
  DELETE FROM argosy.tool_calls c USING gone g WHERE c.tenant_id = g.tenant_id AND c.run_id = g.run_id;

  PERFORM FROM argosy.blobs b WHERE (b.tenant_id, b.sha256) IN (
    SELECT t.tenant_id, t.sha256 FROM argosy.run_texts t JOIN gone g ON t.tenant_id = g.tenant_id AND t.run_id = g.run_id)
  ORDER BY b.tenant_id, b.sha256 FOR UPDATE;
  WITH freed AS (
    SELECT DISTINCT t.tenant_id, t.sha256 FROM argosy.run_texts t
    JOIN gone g ON t.tenant_id = g.tenant_id AND t.run_id = g.run_id
  )
  DELETE FROM argosy.blobs b USING freed f
  WHERE b.tenant_id = f.tenant_id AND b.sha256 = f.sha256 AND NOT EXISTS (
    SELECT 1 FROM argosy.run_texts o WHERE o.tenant_id = f.tenant_id AND o.sha256 = f.sha256
      AND NOT EXISTS (SELECT 1 FROM gone g WHERE g.tenant_id = o.tenant_id AND g.run_id = o.run_id));
  DELETE FROM argosy.run_texts t USING gone g WHERE t.tenant_id = g.tenant_id AND t.run_id = g.run_id;

  -- Evidence does not say who looked it up: all that was made for the tenant while the run, or a late call of it, worked,
  -- and what is being made while it works. Whoever made that finds his claim gone and stores nothing.
  DELETE FROM argosy.evidence e USING gone g
  WHERE e.tenant_id = g.tenant_id AND (
    e.made_at BETWEEN g.accepted_at AND coalesce(g.ended_at, now()) + interval '1 hour'
    OR (e.claim_id IS NOT NULL AND g.ended_at IS NULL));

  INSERT INTO argosy.past_usage AS p (tenant_id, day, runs, model_calls, tool_calls, prompt_tokens, cached_tokens,
    completion_tokens, usd)
  SELECT tenant_id, (accepted_at AT TIME ZONE 'UTC')::date, count(*), sum(model_calls), sum(tool_calls),
    sum(prompt_tokens), sum(cached_tokens), sum(completion_tokens), sum(usd)
  FROM gone GROUP BY 1, 2 ORDER BY 1, 2
  ON CONFLICT (tenant_id, day) DO UPDATE SET
    runs = p.runs + EXCLUDED.runs, model_calls = p.model_calls + EXCLUDED.model_calls,
    tool_calls = p.tool_calls + EXCLUDED.tool_calls, prompt_tokens = p.prompt_tokens + EXCLUDED.prompt_tokens,
    cached_tokens = p.cached_tokens + EXCLUDED.cached_tokens,
    completion_tokens = p.completion_tokens + EXCLUDED.completion_tokens, usd = p.usd + EXCLUDED.usd;
  RETURN NULL;
END $$;

-- Removes a corpus with its index, and those of its files that no other corpus of the tenant names. As above: what others
-- may begin to name meanwhile is locked first, and whoever names it locks it, too.
CREATE FUNCTION argosy.forget_corpus(tenant text, corpus text) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
  hashes text[];
  loose text[];
BEGIN
  SELECT array_remove(ARRAY[c.segment_id], NULL) INTO loose FROM argosy.corpora c
    WHERE c.tenant_id = tenant AND c.corpus_id = corpus FOR UPDATE;
  IF NOT FOUND THEN
    RETURN false;
  END IF;
  WITH named AS (
    DELETE FROM argosy.corpus_files f WHERE f.tenant_id = tenant AND f.corpus_id = corpus RETURNING f.sha256
  )
  SELECT array_agg(DISTINCT n.sha256) INTO hashes FROM named n;
  DELETE FROM argosy.corpora c WHERE c.tenant_id = tenant AND c.corpus_id = corpus;

  PERFORM FROM argosy.files f WHERE f.tenant_id = tenant AND f.sha256 = ANY (hashes) ORDER BY f.sha256 FOR UPDATE;
  WITH unnamed AS (
    DELETE FROM argosy.files f WHERE f.tenant_id = tenant AND f.sha256 = ANY (hashes) AND NOT EXISTS (
      SELECT 1 FROM argosy.corpus_files o WHERE o.tenant_id = tenant AND o.sha256 = f.sha256)
    RETURNING f.content_id
  )
  SELECT loose || coalesce(array_agg(u.content_id), '{}') INTO loose FROM unnamed u;
  DELETE FROM argosy.contents c WHERE c.tenant_id = tenant AND c.content_id = ANY (loose);
  RETURN true;
END $$;

-- The sweep of what is older than its tenant keeps it.
CREATE INDEX runs_ended ON argosy.runs (tenant_id, ended_at) WHERE ended_at IS NOT NULL;

-- The roles are there by now: see libs/runs/src/store/roles.ts.
GRANT USAGE ON SCHEMA argosy TO argosy_gateway, argosy_fleet;

-- What runs and corpora are made of: the gateway has the rows of the tenant that its transaction names, and without one
-- none; the fleet works for all.
DO $$
DECLARE
  place text;
BEGIN
  FOREACH place IN ARRAY ARRAY['runs', 'steps', 'events', 'tool_calls', 'blobs', 'run_texts', 'past_usage', 'contents',
    'content_parts', 'files', 'corpora', 'corpus_files', 'evidence', 'tenants'] LOOP
    EXECUTE format('ALTER TABLE argosy.%I ENABLE ROW LEVEL SECURITY', place);
    EXECUTE format('ALTER TABLE argosy.%I FORCE ROW LEVEL SECURITY', place);
    -- A setting that was once local to a transaction is empty afterwards, and public evidence has the empty tenant.
    EXECUTE format($policy$CREATE POLICY of_its_tenant ON argosy.%I TO argosy_gateway
      USING (tenant_id = nullif(current_setting('argosy.tenant', true), ''))
      WITH CHECK (tenant_id = nullif(current_setting('argosy.tenant', true), ''))$policy$, place);
    EXECUTE format('CREATE POLICY of_the_fleet ON argosy.%I TO argosy_fleet USING (true) WITH CHECK (true)', place);
    EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON argosy.%I TO argosy_fleet', place);
  END LOOP;
END $$;
GRANT SELECT, INSERT, UPDATE, DELETE ON argosy.runs, argosy.steps, argosy.events, argosy.tool_calls, argosy.blobs,
  argosy.run_texts, argosy.past_usage, argosy.contents, argosy.content_parts, argosy.files, argosy.corpora,
  argosy.corpus_files TO argosy_gateway;
-- Shared by all who look something up, which a gateway does not; it only forgets what was looked up for a run.
GRANT SELECT, DELETE ON argosy.evidence TO argosy_gateway;
-- What a tenant may is for operators to say, who have the database itself.
GRANT SELECT ON argosy.tenants TO argosy_gateway;
REVOKE UPDATE, DELETE ON argosy.tenants FROM argosy_fleet;
-- Of no tenant, and nothing that a client asks needs them.
GRANT SELECT, INSERT, UPDATE, DELETE ON argosy.workers, argosy.leaders TO argosy_fleet;
GRANT SELECT ON argosy.migrations TO argosy_fleet;
