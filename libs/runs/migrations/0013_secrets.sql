-- What tenants bring to be used for them alone, such as their keys at search providers: sealed, and never told again.

CREATE TABLE argosy.tenant_secrets (
  tenant_id    text NOT NULL,
  name         text NOT NULL CHECK (length(name) BETWEEN 1 AND 100),
  -- Made anew whenever the secret is set; what is sealed opens under this one alone.
  version      text NOT NULL,
  -- The key-encryption key that the data key is wrapped with.
  key_id       text NOT NULL,
  -- See libs/runs/src/secrets/sealing.ts.
  wrapped      bytea NOT NULL,
  sealed       bytea NOT NULL,
  created_at   timestamptz NOT NULL DEFAULT now(),
  updated_at   timestamptz NOT NULL DEFAULT now(),
  -- To within ten minutes.
  last_used_at timestamptz,
  PRIMARY KEY (tenant_id, name)
);

-- Neither sees another tenant's, and the fleet, too, only those of the tenant that its transaction names.
ALTER TABLE argosy.tenant_secrets ENABLE ROW LEVEL SECURITY;
ALTER TABLE argosy.tenant_secrets FORCE ROW LEVEL SECURITY;
CREATE POLICY of_its_tenant ON argosy.tenant_secrets TO argosy_gateway
  USING (tenant_id = nullif(current_setting('argosy.tenant', true), ''))
  WITH CHECK (tenant_id = nullif(current_setting('argosy.tenant', true), ''));
CREATE POLICY of_the_call ON argosy.tenant_secrets TO argosy_fleet
  USING (tenant_id = nullif(current_setting('argosy.tenant', true), ''))
  WITH CHECK (tenant_id = nullif(current_setting('argosy.tenant', true), ''));
-- Whoever writes a secret for a client cannot read it, and whoever reads it can only seal it anew.
GRANT SELECT (tenant_id, name, version, created_at, updated_at, last_used_at),
  INSERT (tenant_id, name, version, key_id, wrapped, sealed),
  UPDATE (version, key_id, wrapped, sealed, updated_at, last_used_at), DELETE ON argosy.tenant_secrets TO argosy_gateway;
GRANT SELECT, UPDATE (key_id, wrapped, sealed, last_used_at) ON argosy.tenant_secrets TO argosy_fleet;
