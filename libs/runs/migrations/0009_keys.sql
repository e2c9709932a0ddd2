-- Who may call, and what was done with it.

CREATE TABLE argosy.api_keys (
  tenant_id    text NOT NULL REFERENCES argosy.tenants,
  -- Unique beyond the tenant: a key is looked up before anyone knows whose it is.
  key_id       text NOT NULL UNIQUE,
  name         text NOT NULL,
  -- HMAC-SHA256 of the key's text under the pepper, which no database holds.
  mac          bytea NOT NULL CHECK (octet_length(mac) = 32),
  scopes       text[] NOT NULL,
  created_at   timestamptz NOT NULL DEFAULT now(),
  expires_at   timestamptz,
  revoked_at   timestamptz,
  -- To within ten minutes.
  last_used_at timestamptz,
  PRIMARY KEY (tenant_id, key_id)
);

-- What was done for a tenant that somebody may have to answer for, each entry under the hash of the one before it.
CREATE TABLE argosy.audit_log (
  tenant_id text NOT NULL,
  seq       bigint NOT NULL,
  at        timestamptz NOT NULL,
  -- The key that asked for it, or `operator`.
  actor     text NOT NULL,
  action    text NOT NULL,
  -- What it was done to.
  subject   text NOT NULL,
  -- JSON, as it was hashed.
  details   text NOT NULL DEFAULT '{}',
  hash      text NOT NULL,
  PRIMARY KEY (tenant_id, seq)
);

-- The last entry of each tenant: the end of a chain that was cut off still fits the rest.
CREATE TABLE argosy.audit_heads (
  tenant_id text PRIMARY KEY,
  seq       bigint NOT NULL,
  hash      text NOT NULL
);

-- Of fields by their lengths, so that no two entries are written the same. libs/runs/src/access/audit.ts does it again.
CREATE FUNCTION argosy.audit_hash(fields text[]) RETURNS text LANGUAGE sql IMMUTABLE SET search_path = '' AS $$
  SELECT encode(sha256(convert_to(string_agg(octet_length(f) || ':' || f, '' ORDER BY n), 'UTF8')), 'hex')
  FROM unnest(fields) WITH ORDINALITY AS field (f, n)
$$;

-- Numbers, times and hashes are not for whoever writes an entry to say. The row of the head makes writers take turns.
CREATE FUNCTION argosy.chain_audit() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
DECLARE
  head argosy.audit_heads;
BEGIN
  INSERT INTO argosy.audit_heads (tenant_id, seq, hash) VALUES (NEW.tenant_id, 0, '') ON CONFLICT DO NOTHING;
  SELECT * INTO STRICT head FROM argosy.audit_heads h WHERE h.tenant_id = NEW.tenant_id FOR UPDATE;
  NEW.seq := head.seq + 1;
  NEW.at := clock_timestamp();
  NEW.hash := argosy.audit_hash(ARRAY[head.hash, NEW.tenant_id, NEW.seq::text,
    to_char(NEW.at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), NEW.actor, NEW.action, NEW.subject, NEW.details]);
  UPDATE argosy.audit_heads h SET seq = NEW.seq, hash = NEW.hash WHERE h.tenant_id = NEW.tenant_id;
  RETURN NEW;
END $$;
CREATE TRIGGER chain_audit BEFORE INSERT ON argosy.audit_log FOR EACH ROW EXECUTE FUNCTION argosy.chain_audit();

CREATE FUNCTION argosy.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'The audit log is only ever appended to.' USING ERRCODE = 'insufficient_privilege';
END $$;
CREATE TRIGGER refuse_change BEFORE UPDATE OR DELETE OR TRUNCATE ON argosy.audit_log
  FOR EACH STATEMENT EXECUTE FUNCTION argosy.refuse_change();

-- Keys by their ids, for whoever shows them at the door; nothing else is to be seen without naming a tenant.
CREATE FUNCTION argosy.find_keys(ids text[]) RETURNS TABLE (
  key_id text, tenant_id text, mac bytea, scopes text[], live boolean, noted boolean, limits jsonb
) LANGUAGE sql STABLE SECURITY DEFINER SET search_path = '' AS $$
  SELECT k.key_id, k.tenant_id, k.mac, k.scopes,
    k.revoked_at IS NULL AND (k.expires_at IS NULL OR k.expires_at > now()),
    k.last_used_at IS NOT NULL AND k.last_used_at > now() - interval '10 minutes', t.settings -> 'limits'
  FROM argosy.api_keys k JOIN argosy.tenants t ON t.tenant_id = k.tenant_id WHERE k.key_id = ANY (ids)
$$;
REVOKE ALL ON FUNCTION argosy.find_keys(text[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION argosy.find_keys(text[]) TO argosy_gateway;

-- The gateway has what is of the tenant that its transaction names; whoever owns the tables, for whom the functions above
-- work, has all of it; the fleet has nothing to do with it.
DO $$
DECLARE
  place text;
BEGIN
  FOREACH place IN ARRAY ARRAY['api_keys', 'audit_log', 'audit_heads'] LOOP
    EXECUTE format('ALTER TABLE argosy.%I ENABLE ROW LEVEL SECURITY', place);
    EXECUTE format('ALTER TABLE argosy.%I FORCE ROW LEVEL SECURITY', place);
    EXECUTE format($policy$CREATE POLICY of_its_tenant ON argosy.%I TO argosy_gateway
      USING (tenant_id = nullif(current_setting('argosy.tenant', true), ''))
      WITH CHECK (tenant_id = nullif(current_setting('argosy.tenant', true), ''))$policy$, place);
    EXECUTE format('CREATE POLICY of_its_owner ON argosy.%I TO CURRENT_USER USING (true) WITH CHECK (true)', place);
  END LOOP;
END $$;
GRANT SELECT, INSERT, UPDATE (revoked_at, last_used_at) ON argosy.api_keys TO argosy_gateway;
GRANT INSERT (tenant_id, actor, action, subject, details) ON argosy.audit_log TO argosy_gateway;

-- What is under way for a tenant.
CREATE INDEX runs_unfinished_of_tenant ON argosy.runs (tenant_id, run_id) WHERE state IN ('queued', 'running', 'waiting');
