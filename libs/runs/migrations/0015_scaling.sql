-- Since when an autoscaler wants a worker to take nothing new; null while it may. The worker reads it as it renews its lease.
ALTER TABLE argosy.workers ADD COLUMN drains_since timestamptz;

-- Runs by when they ended: how many end in a while is asked for four times a minute.
CREATE INDEX runs_by_end ON argosy.runs (ended_at) WHERE ended_at IS NOT NULL;

-- What the autoscaler knows of a pool, for the one that takes over, and what it last decided.
CREATE TABLE argosy.scale_pools (
  pool     text PRIMARY KEY,
  at       timestamptz NOT NULL,
  memory   jsonb,
  decision jsonb NOT NULL
);

-- Decisions that changed something or raised an alarm; a week of them.
CREATE TABLE argosy.scale_decisions (
  pool     text NOT NULL,
  at       timestamptz NOT NULL,
  decision jsonb NOT NULL,
  PRIMARY KEY (pool, at)
);

GRANT SELECT, INSERT, UPDATE, DELETE ON argosy.scale_pools, argosy.scale_decisions TO argosy_fleet;
