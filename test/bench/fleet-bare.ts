import type { Client } from 'pg';

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

const stepsSql = `INSERT INTO %.steps (tenant_id, run_id, step_no, epoch, schema_version, payload)
  SELECT * FROM unnest($1::text[], $2::text[], $3::int[], $4::int[], $5::int[], $6::jsonb[])`;
const eventsSql = `INSERT INTO %.events (tenant_id, run_id, seq, type, schema_version, data)
  SELECT * FROM unnest($7::text[], $8::text[], $9::bigint[], $10::text[], $11::int[], $12::jsonb[])`;

/**
 * The control of the ledger: the rows that a round committed, steps and events, inserted again through one connection in
 * the order of their commits and with the constraints of the real tables, 500 steps a statement, and nothing else.
 * @returns steps per second
 */
export async function bareInsert({ client }: { readonly client: Client }): Promise<number> {
  const steps = await client.query<StepRow>(
    `SELECT tenant_id, run_id, step_no, epoch, schema_version, payload::text AS payload FROM argosy.steps
     ORDER BY committed_at, tenant_id, run_id`,
  );
  const events = await client.query<EventRow>(
    `SELECT e.tenant_id, e.run_id, e.seq, e.type, e.schema_version, e.data::text AS data FROM argosy.events e
     WHERE e.type IN ('model.completed', 'step.started') ORDER BY e.at, e.tenant_id, e.run_id, e.seq`,
  );
  await client.query('TRUNCATE argosy.steps, argosy.events');
  await client.query('CHECKPOINT');
  const sql = `WITH told AS (${eventsSql}) ${stepsSql}`.replaceAll('%', 'argosy');
  const perStep = events.rows.length / steps.rows.length;
  const startedAt = performance.now();
  for (let at = 0; at < steps.rows.length; at += batchSize) {
    const batch = steps.rows.slice(at, at + batchSize);
    const told = events.rows.slice(Math.round(at * perStep), Math.round((at + batchSize) * perStep));
    await client.query(sql, [...columns(batch), ...columns(told)]);
  }
  return (steps.rows.length * 1000) / (performance.now() - startedAt);
}

function columns<R extends object>(rows: readonly R[]): unknown[][] {
  const [first] = rows;
  if (first === undefined) return [];
  return Object.keys(first).map((name) => rows.map((row) => row[name as keyof R]));
}
