-- The record of every run. PostgreSQL 15 and later; `tenant_id` leads every key.
-- Loops that span tenants (dispatch, reconcile) have their own indexes.

CREATE TABLE argosy.workers (
  worker_id   text PRIMARY KEY,
  role        text NOT NULL,
  -- A worker owns its runs and calls while this instant (database clock) lies ahead.
  lease_until timestamptz NOT NULL
);

CREATE TABLE argosy.runs (
  tenant_id       text NOT NULL,
  run_id          text NOT NULL,
  state           text NOT NULL CHECK (state IN
                    ('queued', 'running', 'waiting', 'completed', 'incomplete', 'failed', 'cancelled')),
  -- The accepted request, its frozen limits and date: what a replay starts from.
  request         jsonb NOT NULL,
  schema_version  integer NOT NULL,
  idempotency_key text,
  request_sha256  text NOT NULL,
  -- Grows by one at every claim; whatever is written for an older epoch matches no row.
  epoch           integer NOT NULL DEFAULT 0,
  worker_id       text,
  rings           integer NOT NULL DEFAULT 0,
  last_step       integer NOT NULL DEFAULT 0,
  last_seq        bigint NOT NULL DEFAULT 0,
  cancel_requested boolean NOT NULL DEFAULT false,
  report          jsonb,
  error           text,
  accepted_at     timestamptz NOT NULL DEFAULT now(),
  started_at      timestamptz,
  ended_at        timestamptz,
  rung_at         timestamptz,
  PRIMARY KEY (tenant_id, run_id)
);
CREATE UNIQUE INDEX runs_idempotency ON argosy.runs (tenant_id, idempotency_key) WHERE idempotency_key IS NOT NULL;
CREATE INDEX runs_by_time ON argosy.runs (tenant_id, accepted_at DESC, run_id DESC);
CREATE INDEX runs_unfinished ON argosy.runs (accepted_at) WHERE state IN ('queued', 'running', 'waiting');

-- The log that a run's state is folded from; `step_no` counts from 1 without gaps.
CREATE TABLE argosy.steps (
  tenant_id      text NOT NULL,
  run_id         text NOT NULL,
  step_no        integer NOT NULL,
  epoch          integer NOT NULL,
  schema_version integer NOT NULL,
  payload        jsonb NOT NULL,
  committed_at   timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (tenant_id, run_id, step_no),
  FOREIGN KEY (tenant_id, run_id) REFERENCES argosy.runs ON DELETE CASCADE
);

-- What clients are told, numbered without gaps under the lock of the run's row.
CREATE TABLE argosy.events (
  tenant_id      text NOT NULL,
  run_id         text NOT NULL,
  seq            bigint NOT NULL,
  type           text NOT NULL,
  schema_version integer NOT NULL,
  data           jsonb NOT NULL,
  at             timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (tenant_id, run_id, seq),
  FOREIGN KEY (tenant_id, run_id) REFERENCES argosy.runs ON DELETE CASCADE
);

-- One row per tool call, written before the call starts. Its fence is (call_id, attempt, state = 'running'),
-- apart from the run's epoch: a result that was paid for is kept even if the agent worker has changed.
CREATE TABLE argosy.tool_calls (
  tenant_id  text NOT NULL,
  run_id     text NOT NULL,
  call_id    text NOT NULL,
  step       integer NOT NULL,
  index      integer NOT NULL,
  tool       text NOT NULL,
  args       jsonb NOT NULL,
  state      text NOT NULL DEFAULT 'intent' CHECK (state IN ('intent', 'running', 'done', 'unknown')),
  attempt    integer NOT NULL DEFAULT 0,
  worker_id  text,
  rings      integer NOT NULL DEFAULT 0,
  result     jsonb,
  started_at timestamptz,
  ended_at   timestamptz,
  PRIMARY KEY (tenant_id, run_id, call_id),
  FOREIGN KEY (tenant_id, run_id) REFERENCES argosy.runs ON DELETE CASCADE
);

-- Snapshot texts by the sha256 of their UTF-8 bytes; `tenant_id` leads so that no tenant reads another's by its hash.
CREATE TABLE argosy.blobs (
  tenant_id  text NOT NULL,
  sha256     text NOT NULL,
  text       text NOT NULL,
  bytes      integer NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (tenant_id, sha256)
);

-- What each run has spent, updated with every committed step.
CREATE TABLE argosy.usage (
  tenant_id         text NOT NULL,
  run_id            text NOT NULL,
  model_calls       integer NOT NULL DEFAULT 0,
  tool_calls        integer NOT NULL DEFAULT 0,
  prompt_tokens     bigint NOT NULL DEFAULT 0,
  cached_tokens     bigint NOT NULL DEFAULT 0,
  completion_tokens bigint NOT NULL DEFAULT 0,
  usd               double precision NOT NULL DEFAULT 0,
  PRIMARY KEY (tenant_id, run_id),
  FOREIGN KEY (tenant_id, run_id) REFERENCES argosy.runs ON DELETE CASCADE
);
