import type { Client } from 'pg';
import { connected, type Stage } from './fleet-stage.ts';

/** Rows of one statement, as the ledger sends them. */
const batchSize = 500;

interface StepRow {
  readonly tenant_id: string;
  readonly run_id: string;
  readonly step_no: number;
  readonly epoch: number;
  readonly schema_version: number;
  readonly payload: string;
}

interface EventRow {
  readonly tenant_id: string;
  readonly run_id: string;
  readonly seq: string;
  readonly type: string;
  readonly schema_version: number;
  readonly data: string;
}

interface CallRow {
  readonly tenant_id: string;
  readonly run_id: string;
  readonly call_id: string;
  readonly step: number;
  readonly index: number;
  readonly tool: string;
  readonly args: string;
}

const sql = `
  WITH told AS (
    INSERT INTO argosy.events (tenant_id, run_id, seq, type, schema_version, data)
    SELECT * FROM unnest($7::text[], $8::text[], $9::bigint[], $10::text[], $11::int[], $12::jsonb[])
  ), asked AS (
    INSERT INTO argosy.tool_calls (tenant_id, run_id, call_id, step, index, tool, args)
    SELECT * FROM unnest($13::text[], $14::text[], $15::text[], $16::int[], $17::int[], $18::text[], $19::jsonb[])
  )
  INSERT INTO argosy.steps (tenant_id, run_id, step_no, epoch, schema_version, payload)
  SELECT * FROM unnest($1::text[], $2::text[], $3::int[], $4::int[], $5::int[], $6::jsonb[])`;

/**
 * The control of the ledger: the rows that a round committed, steps, events and calls, inserted again in the order of their
 * commits into the same tables, 500 steps a statement, and nothing else.
 * @param connections as many as the ledger has statements under way
 * @returns steps per second
 */
export async function bareInsert({ client, databaseUrl }: Stage, connections: number): Promise<number> {
  const batches = await takeRows(client);
  const clients = await Promise.all(Array.from({ length: connections }, async () => await connected(databaseUrl)));
  const steps = batches.reduce((sum, { count }) => sum + count, 0);
  const startedAt = performance.now();
  const insert = async (one: Client): Promise<void> => {
    for (let batch = batches.shift(); batch !== undefined; batch = batches.shift()) await one.query(sql, batch.rows());
  };
  await Promise.all(clients.map(insert));
  const seconds = (performance.now() - startedAt) / 1000;
  await Promise.all(clients.map((one) => one.end()));
  return steps / seconds;
}

interface Batch {
  readonly count: number;
  /** Made when they are wanted, as a writer has to. */
  readonly rows: () => unknown[][];
}

/** Empties the tables. */
async function takeRows(client: Client): Promise<Batch[]> {
  const steps = await client.query<StepRow>(
    `SELECT tenant_id, run_id, step_no, epoch, schema_version, payload::text AS payload FROM argosy.steps
     ORDER BY committed_at, tenant_id, run_id`,
  );
  const events = await client.query<EventRow>(
    `SELECT e.tenant_id, e.run_id, e.seq, e.type, e.schema_version, e.data::text AS data FROM argosy.events e
     WHERE e.type NOT LIKE 'run.%' AND e.type <> 'report.completed' ORDER BY e.at, e.tenant_id, e.run_id, e.seq`,
  );
  const calls = await client.query<CallRow>(
    'SELECT tenant_id, run_id, call_id, step, index, tool, args::text AS args FROM argosy.tool_calls ORDER BY step, tenant_id, run_id',
  );
  await client.query('TRUNCATE argosy.steps, argosy.events, argosy.tool_calls');
  await client.query('CHECKPOINT');
  const batches: Batch[] = [];
  for (let at = 0; at < steps.rows.length; at += batchSize) {
    const some = steps.rows.slice(at, at + batchSize);
    const share = <R>(rows: readonly R[]): R[] => {
      const perStep = rows.length / steps.rows.length;
      return rows.slice(Math.round(at * perStep), Math.round((at + batchSize) * perStep));
    };
    const [told, asked] = [share(events.rows), share(calls.rows)];
    batches.push({ count: some.length, rows: () => [...columns(some), ...columns(told), ...columns(asked)] });
  }
  return batches;
}

function columns<R extends object>(rows: readonly R[]): unknown[][] {
  const [first] = rows;
  if (first === undefined) return [];
  return Object.keys(first).map((name) => rows.map((row) => row[name as keyof R]));
}
