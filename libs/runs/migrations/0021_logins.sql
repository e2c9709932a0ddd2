-- People who log in by an identity provider: a login is a key of some hours, which the person's browser holds.

-- Who it is there: the subject of their ID token. Null for a key that somebody made.
ALTER TABLE argosy.api_keys ADD COLUMN person text CHECK (person <> '');
CREATE INDEX api_keys_of_person ON argosy.api_keys (tenant_id, person, created_at) WHERE person IS NOT NULL;

-- Keys stay for people to look up, revoked or not; of logins there would be one for each person and day.
GRANT DELETE ON argosy.api_keys TO argosy_gateway;
CREATE POLICY only_past_logins ON argosy.api_keys AS RESTRICTIVE FOR DELETE TO argosy_gateway
  USING (person IS NOT NULL AND expires_at < now());
