-- What a tenant may have: how many runs at once, and how much of tokens and money in a day.

-- Whoever comes near a limit takes turns at its tenant's row, so that many at once stay within it.
CREATE TABLE argosy.quota_gates (
  tenant_id text PRIMARY KEY
);
ALTER TABLE argosy.quota_gates ENABLE ROW LEVEL SECURITY;
ALTER TABLE argosy.quota_gates FORCE ROW LEVEL SECURITY;
CREATE POLICY of_its_tenant ON argosy.quota_gates TO argosy_gateway
  USING (tenant_id = nullif(current_setting('argosy.tenant', true), ''))
  WITH CHECK (tenant_id = nullif(current_setting('argosy.tenant', true), ''));
GRANT SELECT, INSERT, UPDATE ON argosy.quota_gates TO argosy_gateway;

-- What runs that were accepted on this UTC day have spent, and what those under way may still spend of budgets that they named.
CREATE FUNCTION argosy.spent_today(tenant text, OUT tokens numeric, OUT usd double precision) LANGUAGE sql STABLE AS $$
  SELECT coalesce(sum(s.tokens), 0), coalesce(sum(s.usd), 0) FROM (
    SELECT greatest(r.prompt_tokens + r.completion_tokens,
        CASE WHEN r.ended_at IS NULL THEN (r.request #>> '{limits,budget,tokens}')::numeric END) AS tokens,
      greatest(r.usd, CASE WHEN r.ended_at IS NULL THEN (r.request #>> '{limits,budget,usd}')::double precision END) AS usd
    FROM argosy.runs r WHERE r.tenant_id = tenant
      AND r.accepted_at >= date_trunc('day', now() AT TIME ZONE 'UTC') AT TIME ZONE 'UTC'
    UNION ALL
    SELECT p.prompt_tokens + p.completion_tokens, p.usd FROM argosy.past_usage p
    WHERE p.tenant_id = tenant AND p.day = (now() AT TIME ZONE 'UTC')::date
  ) s
$$;

-- Which limit keeps a tenant from another run; null: none does. Each of its statements sees what was committed meanwhile.
CREATE FUNCTION argosy.limit_reached(tenant text, limits jsonb) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  -- So many may be on their way without taking turns.
  slack CONSTANT integer := 100;
  most_runs bigint := (limits ->> 'concurrent_runs')::bigint;
  most_tokens numeric := (limits ->> 'tokens_per_day')::numeric;
  most_usd double precision := (limits ->> 'usd_per_day')::double precision;
  unfinished bigint := 0;
  spent record;
BEGIN
  IF most_runs IS NOT NULL THEN
    SELECT count(*) INTO unfinished FROM argosy.runs r
    WHERE r.tenant_id = tenant AND r.state IN ('queued', 'running', 'waiting');
  END IF;
  IF most_tokens IS NULL AND most_usd IS NULL AND (most_runs IS NULL OR unfinished + slack < most_runs) THEN
    RETURN NULL;
  END IF;
  INSERT INTO argosy.quota_gates (tenant_id) VALUES (tenant) ON CONFLICT DO NOTHING;
  PERFORM FROM argosy.quota_gates g WHERE g.tenant_id = tenant FOR UPDATE;
  IF most_runs IS NOT NULL THEN
    SELECT count(*) INTO unfinished FROM argosy.runs r
    WHERE r.tenant_id = tenant AND r.state IN ('queued', 'running', 'waiting');
    IF unfinished >= most_runs THEN
      RETURN 'concurrent_runs';
    END IF;
  END IF;
  IF most_tokens IS NOT NULL OR most_usd IS NOT NULL THEN
    SELECT * INTO spent FROM argosy.spent_today(tenant);
    IF spent.tokens >= most_tokens THEN
      RETURN 'tokens_per_day';
    END IF;
    IF spent.usd >= most_usd THEN
      RETURN 'usd_per_day';
    END IF;
  END IF;
  RETURN NULL;
END $$;
