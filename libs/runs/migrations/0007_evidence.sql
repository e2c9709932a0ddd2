-- What a fleet has looked up: fetches and searches, each made once for all who want it at the same time.

CREATE TABLE argosy.evidence (
  -- Whose it is; empty for what is public.
  tenant_id     text NOT NULL,
  -- sha256 of the key, which may be of any length.
  key_hash      text NOT NULL,
  -- The beginning of the key, for people.
  key           text NOT NULL,
  -- JSON, deflated: text that jsonb refuses survives, too. Null while it is made for the first time.
  value         bytea,
  bytes         integer NOT NULL DEFAULT 0,
  made_at       timestamptz,
  -- Nobody who asks later than this is given the value.
  expires_at    timestamptz NOT NULL,
  -- Who makes it now, unless that instant (database clock) lies behind.
  claim_id      text,
  claimed_until timestamptz,
  -- Somebody else waits for what is made until this instant.
  wanted_until  timestamptz,
  PRIMARY KEY (tenant_id, key_hash)
);
-- Compressed already.
ALTER TABLE argosy.evidence ALTER COLUMN value SET STORAGE EXTERNAL;
-- The sweep of what expired, and that of the oldest when all of it is too large; both span tenants.
CREATE INDEX evidence_by_expiry ON argosy.evidence (expires_at);
CREATE INDEX evidence_by_age ON argosy.evidence (made_at);
