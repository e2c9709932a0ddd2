import { setTimeout as pause } from 'node:timers/promises';
import type { Client } from 'pg';
import { openFleet } from '#runs';
import { startModelServer } from '../support/model-server.ts';
import { observationOf } from '../support/research.ts';
import { thinkAndCall } from '../support/scripted-research.ts';
import { acceptMany } from './fleet-load.ts';
import { RoleProcess } from './fleet-role.ts';
import type { Stage, Stages } from './fleet-stage.ts';
import { percentile, type Row, round } from './result.ts';

/** Runs that are alive all the time. */
const runCount = 100;
const stepMs = 400;
const modelName = 'slow';

/** A run that has not moved by then has not moved at all. */
const patienceMs = 40_000;

/** What the signals may cost for 95 % of the runs, in seconds: the lock of a ring and 5; and 1 from the hand-back. */
const killTarget = 20;
const termTarget = 1;

interface Moved {
  readonly kills: number[];
  readonly terms: number[];
  readonly stuck: number;
}

/**
 * Runs in two agent workers, of which one is ended while the other has room: by SIGTERM, twice, and by SIGKILL, three
 * times. Lease, lock and grace are the defaults.
 */
export async function recoveryRows(stages: Stages, say: (line: string) => void): Promise<Row[]> {
  // A new page each time, so that the runs never come to an end.
  const model = await startModelServer(
    (_request, index) => ({ text: thinkAndCall('visit', pageOf(index)), delayMs: stepMs / 4, eventCharacters: 100 }),
    { model: modelName, purpose: 'benchmark' },
  );
  try {
    const { kills, terms, stuck } = await stages.use(async (stage) => await endWorkers(stage, model.baseUrl, say));
    return [
      { what: 'after SIGKILL, seconds to the next committed step', ...seconds(kills), target: killTarget, stuck },
      { what: 'after SIGTERM, seconds from the hand-back to the next claim', ...seconds(terms), target: termTarget },
    ];
  } finally {
    await model.close();
  }
}

function pageOf(index: number): object {
  return { url: [`https://example.org/${index}`], goal: 'what it says' };
}

function seconds(ms: readonly number[]) {
  const at = (p: number) => round(percentile(ms, p) / 1000, 3);
  return { runs: ms.length, p50: at(0.5), p95: at(0.95), most: at(1) };
}

async function endWorkers(stage: Stage, baseUrl: string, say: (line: string) => void): Promise<Moved> {
  const fleet = await openFleet(stage);
  await watchMoves(stage.client);
  const tools = await fleet.runs.join({ workerId: 'pages', role: 'tool-worker', slots: runCount });
  const answering = await fleet.runs.answerCalls(tools, { concurrency: runCount }, async ({ args }) => {
    return { state: 'done', observation: observationOf(`Read at ${String(args['url'])}.`), snapshots: new Map() };
  });
  const settings = { ARGOSY_MODEL: `openai:${baseUrl}#${modelName}`, ARGOSY_AGENT_CONCURRENCY: String(2 * runCount) };
  const started: RoleProcess[] = [await RoleProcess.start('dispatcher', stage)];
  const nextWorker = async () => {
    const worker = await RoleProcess.start('agent-worker', stage, settings);
    started.push(worker);
    return worker;
  };
  try {
    let working = await nextWorker();
    await acceptMany(fleet, runCount, { steps: 0, stepMs: 0 }, modelName);
    await allMoving(stage.client);
    const moved: Moved = { kills: [], terms: [], stuck: 0 };
    let stuck = 0;
    for (const signal of ['SIGTERM', 'SIGKILL', 'SIGTERM', 'SIGKILL', 'SIGKILL'] as const) {
      const idle = await nextWorker();
      say(`  ${signal}`);
      const before = await owned(stage.client);
      working.signal(signal);
      const times = await (signal === 'SIGKILL' ? stepTimes : claimTimes)(stage.client, before);
      (signal === 'SIGKILL' ? moved.kills : moved.terms).push(...times);
      stuck += before.runs.size - times.length;
      await working.kill();
      working = idle;
    }
    return { ...moved, stuck };
  } finally {
    for (const role of started) await role.kill();
    await answering.close();
    await tools.end();
    await fleet.close();
  }
}

/** Has the database note when a run is claimed and when it is put back, which the record itself does not keep. */
async function watchMoves(client: Client): Promise<void> {
  await client.query(`
    CREATE TABLE public.moves (run_id text, epoch integer, state text, at timestamptz NOT NULL DEFAULT clock_timestamp());
    CREATE FUNCTION public.note_move() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN
      INSERT INTO public.moves (run_id, epoch, state) VALUES (NEW.run_id, NEW.epoch, NEW.state);
      RETURN NULL;
    END $$;
    CREATE TRIGGER note_move AFTER UPDATE ON argosy.runs FOR EACH ROW
      WHEN (OLD.epoch <> NEW.epoch OR OLD.state <> NEW.state) EXECUTE FUNCTION public.note_move()`);
}

/** The runs that are owned at an instant of the database's clock, and in which epoch. */
interface Owned {
  readonly at: Date;
  readonly runs: ReadonlyMap<string, number>;
}

async function owned(client: Client): Promise<Owned> {
  const { rows } = await client.query(`SELECT run_id, epoch FROM argosy.runs WHERE state = 'running'`);
  const { rows: now } = await client.query('SELECT clock_timestamp() AS at');
  return { at: now[0].at, runs: new Map(rows.map((row) => [row.run_id, row.epoch])) };
}

async function allMoving(client: Client): Promise<void> {
  await watch(client, `SELECT run_id, 0 AS ms FROM argosy.runs WHERE last_step > 0`, [], runCount);
}

/** From the signal to the first step of a later epoch. */
async function stepTimes(client: Client, { at, runs }: Owned): Promise<number[]> {
  const sql = `SELECT s.run_id, extract(epoch FROM min(s.committed_at) - $3)::float8 * 1000 AS ms
    FROM argosy.steps s JOIN unnest($1::text[], $2::int[]) AS b (run_id, epoch) ON s.run_id = b.run_id AND s.epoch > b.epoch
    GROUP BY s.run_id`;
  return await watch(client, sql, [[...runs.keys()], [...runs.values()], at], runs.size);
}

/** From the hand-back of the epoch to the next claim. */
async function claimTimes(client: Client, { runs }: Owned): Promise<number[]> {
  const sql = `SELECT c.run_id, extract(epoch FROM min(c.at) - min(h.at))::float8 * 1000 AS ms
    FROM unnest($1::text[], $2::int[]) AS b (run_id, epoch)
    JOIN public.moves h ON h.run_id = b.run_id AND h.epoch = b.epoch AND h.state = 'queued'
    JOIN public.moves c ON c.run_id = b.run_id AND c.epoch = b.epoch + 1 AND c.state = 'running'
    GROUP BY c.run_id`;
  return await watch(client, sql, [[...runs.keys()], [...runs.values()]], runs.size);
}

/** Asks until there are so many rows or patience is over. */
async function watch(client: Client, sql: string, values: unknown[], count: number): Promise<number[]> {
  const deadline = performance.now() + patienceMs;
  for (;;) {
    const { rows } = await client.query<{ ms: number }>(sql, values);
    if (rows.length >= count || performance.now() > deadline) return rows.map(({ ms }) => ms);
    await pause(200);
  }
}
