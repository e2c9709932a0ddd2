/** What happened to the rows, in order: triggers in the test's database write it down. Production code knows nothing of it. */
import type { Client } from 'pg';

/**
 * Makes the database keep `chaos.history` from now on, whoever writes. Needs the schema of the newest release; costs a row
 * per change.
 * `port` is the client's end of the connection that made the change, which tells the process. `worker_id` is whoever
 * owned the row before, and of `joined` the worker itself. `run_epoch` is the run's when a step of `epoch` was written.
 * `was` and `became` are states; the kind of a step; the table that was rewritten; the role that joined.
 */
export async function keepHistory(client: Client): Promise<void> {
  await client.query(historySql);
}

const historySql = `
CREATE SCHEMA chaos;
CREATE TABLE chaos.history (
  n bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  at timestamptz NOT NULL DEFAULT clock_timestamp(),
  what text NOT NULL, tenant_id text, run_id text NOT NULL DEFAULT '', port integer NOT NULL DEFAULT coalesce(inet_client_port(), 0),
  epoch integer NOT NULL DEFAULT 0, run_epoch integer NOT NULL DEFAULT 0,
  worker_id text, owner_alive boolean NOT NULL DEFAULT false,
  was text NOT NULL DEFAULT '', became text NOT NULL DEFAULT '', call_id text NOT NULL DEFAULT '', attempt integer NOT NULL DEFAULT 0);
CREATE INDEX history_by_run ON chaos.history (run_id, n);

-- Whoever looked while a lease had run out may take what its worker had, though the worker has renewed it a moment later.
CREATE FUNCTION chaos.alive(worker text) RETURNS boolean LANGUAGE sql VOLATILE AS
  'SELECT EXISTS (SELECT 1 FROM argosy.workers w WHERE w.worker_id = worker AND w.lease_until > clock_timestamp())
     AND NOT EXISTS (SELECT 1 FROM chaos.history h
       WHERE h.what = ''revived'' AND h.worker_id = worker AND h.at > clock_timestamp() - interval ''2 seconds'')';

CREATE FUNCTION chaos.on_run() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
  IF NEW.epoch <> OLD.epoch THEN
    INSERT INTO chaos.history (what, tenant_id, run_id, epoch, run_epoch, worker_id, owner_alive, was, became)
    VALUES ('claimed', NEW.tenant_id, NEW.run_id, NEW.epoch, NEW.epoch, OLD.worker_id, chaos.alive(OLD.worker_id), OLD.state, NEW.state);
  END IF;
  IF NEW.state <> OLD.state THEN
    INSERT INTO chaos.history (what, tenant_id, run_id, epoch, run_epoch, worker_id, owner_alive, was, became)
    VALUES ('state', NEW.tenant_id, NEW.run_id, NEW.epoch, NEW.epoch, OLD.worker_id, chaos.alive(OLD.worker_id), OLD.state, NEW.state);
  END IF;
  IF NEW.cancel_requested AND NOT OLD.cancel_requested THEN
    INSERT INTO chaos.history (what, tenant_id, run_id) VALUES ('cancel', NEW.tenant_id, NEW.run_id);
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER chaos_on_run AFTER UPDATE ON argosy.runs FOR EACH ROW EXECUTE FUNCTION chaos.on_run();

CREATE FUNCTION chaos.on_step() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
  INSERT INTO chaos.history (what, tenant_id, run_id, epoch, run_epoch, became)
  SELECT 'step', NEW.tenant_id, NEW.run_id, NEW.epoch, r.epoch, NEW.payload ->> 'kind'
  FROM argosy.runs r WHERE r.tenant_id = NEW.tenant_id AND r.run_id = NEW.run_id;
  RETURN NULL;
END $$;
CREATE TRIGGER chaos_on_step AFTER INSERT ON argosy.steps FOR EACH ROW EXECUTE FUNCTION chaos.on_step();

CREATE FUNCTION chaos.on_call() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
  IF NEW.state <> OLD.state OR NEW.attempt <> OLD.attempt THEN
    INSERT INTO chaos.history (what, tenant_id, run_id, worker_id, owner_alive, was, became, call_id, attempt)
    VALUES ('call', NEW.tenant_id, NEW.run_id, OLD.worker_id, chaos.alive(OLD.worker_id), OLD.state, NEW.state, NEW.call_id, NEW.attempt);
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER chaos_on_call AFTER UPDATE ON argosy.tool_calls FOR EACH ROW EXECUTE FUNCTION chaos.on_call();

CREATE FUNCTION chaos.on_worker() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
  INSERT INTO chaos.history (what, worker_id, became) VALUES ('joined', NEW.worker_id, NEW.role);
  RETURN NULL;
END $$;
CREATE TRIGGER chaos_on_worker AFTER INSERT ON argosy.workers FOR EACH ROW EXECUTE FUNCTION chaos.on_worker();

CREATE FUNCTION chaos.on_renewal() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
  IF OLD.lease_until < clock_timestamp() THEN
    INSERT INTO chaos.history (what, worker_id) VALUES ('revived', NEW.worker_id);
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER chaos_on_renewal AFTER UPDATE ON argosy.workers FOR EACH ROW EXECUTE FUNCTION chaos.on_renewal();

CREATE FUNCTION chaos.on_log() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
  INSERT INTO chaos.history (what, tenant_id, run_id, was) VALUES ('rewritten', OLD.tenant_id, OLD.run_id, TG_TABLE_NAME);
  RETURN NULL;
END $$;
CREATE TRIGGER chaos_on_steps AFTER UPDATE OR DELETE ON argosy.steps FOR EACH ROW EXECUTE FUNCTION chaos.on_log();
CREATE TRIGGER chaos_on_events AFTER UPDATE OR DELETE ON argosy.events FOR EACH ROW EXECUTE FUNCTION chaos.on_log();
`;
