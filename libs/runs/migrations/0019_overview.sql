-- How the fleet stands, for whoever may administer it: counts, workers and the ids of what they hold, no row of a tenant.
-- A gateway sees one tenant at a time, so these functions work with the rights of the fleet.
CREATE FUNCTION argosy.fleet_overview() RETURNS jsonb LANGUAGE sql STABLE SECURITY DEFINER SET search_path = '' AS $$
  WITH queues AS (
    SELECT 'runs' AS kind, count(*) FILTER (WHERE state = 'queued') AS waiting,
      count(*) FILTER (WHERE state <> 'queued') AS active,
      min(greatest(accepted_at, not_before)) FILTER (WHERE state = 'queued' AND (not_before IS NULL OR not_before <= now())) AS oldest
    FROM argosy.runs WHERE state IN ('queued', 'running', 'waiting')
    UNION ALL
    SELECT coalesce(handed_to, tool), count(*) FILTER (WHERE state = 'intent'), count(*) FILTER (WHERE state = 'running'),
      min(asked_at) FILTER (WHERE state = 'intent')
    FROM argosy.tool_calls WHERE state IN ('intent', 'running') GROUP BY 1
    UNION ALL
    SELECT 'indexing', count(*) FILTER (WHERE worker_id IS NULL), count(*) FILTER (WHERE worker_id IS NOT NULL),
      min(rung_at) FILTER (WHERE worker_id IS NULL)
    FROM argosy.corpora WHERE state = 'indexing'
  ), held AS (
    SELECT worker_id, jsonb_build_object('run_id', run_id, 'tenant_id', tenant_id) AS job, accepted_at AS at
    FROM argosy.runs WHERE state IN ('running', 'waiting') AND worker_id IS NOT NULL
    UNION ALL
    SELECT worker_id, jsonb_build_object('run_id', run_id, 'tenant_id', tenant_id), started_at
    FROM argosy.tool_calls WHERE state = 'running' AND worker_id IS NOT NULL
  ), workers AS (
    SELECT w.worker_id, w.role, w.slots, w.drains_since, coalesce(h.busy, 0) AS busy, coalesce(h.jobs, '[]') AS jobs
    FROM argosy.workers w LEFT JOIN (
      -- Of a worker with more than 50 jobs, the 50 oldest.
      SELECT worker_id, max(busy) AS busy, jsonb_agg(job ORDER BY at) FILTER (WHERE nth <= 50) AS jobs
      FROM (SELECT worker_id, job, at, count(*) OVER same AS busy, row_number() OVER (same ORDER BY at) AS nth
            FROM held WINDOW same AS (PARTITION BY worker_id)) ranked
      GROUP BY worker_id) h USING (worker_id)
    WHERE w.lease_until > now()
  ), recent AS (
    (SELECT tenant_id, run_id FROM argosy.runs WHERE state IN ('running', 'waiting') ORDER BY accepted_at DESC LIMIT 100)
    UNION
    (SELECT tenant_id, run_id FROM argosy.runs WHERE ended_at > now() - interval '1 hour' ORDER BY ended_at DESC LIMIT 100)
  ), faults AS (
    SELECT e.data ->> 'tool' AS tool, f ->> 'kind' AS class, count(*) AS count
    FROM recent r JOIN argosy.events e ON e.tenant_id = r.tenant_id AND e.run_id = r.run_id
      AND e.type = 'tool.completed' AND e.at > now() - interval '1 hour'
      CROSS JOIN LATERAL jsonb_array_elements(e.data -> 'faults') AS f
    GROUP BY 1, 2
  )
  SELECT jsonb_build_object(
    'at', to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
    'queues', (SELECT coalesce(jsonb_agg(jsonb_build_object('kind', kind, 'waiting', waiting, 'active', active,
      'oldest_seconds', round(coalesce(extract(epoch FROM now() - oldest), 0)::numeric, 1)) ORDER BY kind), '[]') FROM queues),
    'workers', (SELECT coalesce(jsonb_agg(jsonb_build_object('id', worker_id, 'role', role, 'slots', slots, 'busy', busy,
      'draining', drains_since IS NOT NULL, 'jobs', jobs) ORDER BY role, worker_id), '[]') FROM workers),
    'faults', (SELECT coalesce(jsonb_agg(jsonb_build_object('tool', tool, 'class', class, 'count', count)
      ORDER BY count DESC, tool, class), '[]') FROM faults))
$$;

-- What tenants spent, by the UTC day of the accept, the latest first. Cost: a look at all runs.
CREATE FUNCTION argosy.fleet_spending(first_day date) RETURNS jsonb LANGUAGE sql STABLE SECURITY DEFINER SET search_path = '' AS $$
  SELECT coalesce(jsonb_agg(jsonb_build_object('day', day, 'tenant_id', tenant_id, 'runs', runs, 'tokens', tokens, 'usd', usd)
    ORDER BY day DESC, usd DESC, tokens DESC, tenant_id), '[]')
  FROM (
    SELECT day, tenant_id, sum(runs) AS runs, sum(tokens) AS tokens, sum(usd) AS usd FROM (
      SELECT (accepted_at AT TIME ZONE 'UTC')::date AS day, tenant_id, 1 AS runs, prompt_tokens + completion_tokens AS tokens, usd
      FROM argosy.runs WHERE accepted_at >= first_day::timestamp AT TIME ZONE 'UTC'
      UNION ALL
      SELECT day, tenant_id, runs, prompt_tokens + completion_tokens, usd FROM argosy.past_usage WHERE day >= first_day
    ) used GROUP BY day, tenant_id ORDER BY day DESC, usd DESC LIMIT 1000
  ) most
$$;

-- What the autoscaler knows last of each pool, and its notable decisions, the latest first.
CREATE FUNCTION argosy.fleet_scaling(most integer) RETURNS jsonb LANGUAGE sql STABLE SECURITY DEFINER SET search_path = '' AS $$
  SELECT jsonb_build_object(
    'pools', (SELECT coalesce(jsonb_agg(jsonb_build_object('pool', pool, 'at', at, 'decision', decision) ORDER BY pool), '[]')
      FROM argosy.scale_pools),
    'decisions', (SELECT coalesce(jsonb_agg(jsonb_build_object('pool', pool, 'at', at, 'decision', decision) ORDER BY at DESC), '[]')
      FROM (SELECT * FROM argosy.scale_decisions ORDER BY at DESC LIMIT most) AS latest))
$$;

REVOKE ALL ON FUNCTION argosy.fleet_overview(), argosy.fleet_spending(date), argosy.fleet_scaling(integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION argosy.fleet_overview(), argosy.fleet_spending(date), argosy.fleet_scaling(integer) TO argosy_gateway;

-- Whoever owns a function must be able to make one, while it is given.
GRANT CREATE ON SCHEMA argosy TO argosy_fleet;
ALTER FUNCTION argosy.fleet_overview() OWNER TO argosy_fleet;
ALTER FUNCTION argosy.fleet_spending(date) OWNER TO argosy_fleet;
ALTER FUNCTION argosy.fleet_scaling(integer) OWNER TO argosy_fleet;
REVOKE CREATE ON SCHEMA argosy FROM argosy_fleet;
