import { setTimeout as pause } from 'node:timers/promises';
import { Queue } from 'bullmq';
import type { Client } from 'pg';
import { Dispatcher } from '#dispatcher';
import { openFleet } from '#runs';
import { controlQueue } from './fleet-control.ts';
import { acceptMany, type WorkerFigures, type WorkerOrder } from './fleet-load.ts';
import { type Stage, type Stages, WorkerProcess } from './fleet-stage.ts';
import { percentile } from './result.ts';

export const runCount = 2000;
export const stepCount = 20;

/** How long 2,000 runs may take before the benchmark gives up. */
const limitMs = 120_000;

/** Between two looks whether all have ended; the times themselves are the record's. */
const lookMs = 250;

/** What a round with 2,000 runs came to. */
export interface Controlled extends WorkerFigures {
  /** From the first look at the backlog, or the order to begin, to the end of the last run. */
  readonly wallMs: number;
}

/** The same of a round that is recorded. */
export interface Driven extends Controlled {
  readonly steps: number;
  /** In which the middle 80 % of the steps were committed: when all runs were claimed and none had ended. */
  readonly steadyMs: number;
  /** Between the first and the last claim. */
  readonly claimsMs: number;
  readonly statements: number;
  readonly batchP50: number;
}

export interface Round {
  readonly stepMs: number;
  readonly weighAfter?: number;
  /** Called when the worker is ready and the runs wait. */
  readonly atStart?: () => void;
  /** Sees the record before it is thrown away. */
  readonly then?: (stage: Stage) => Promise<void>;
}

/** 2,000 runs that wait in the backlog, driven by one worker process with the stores of a fleet. */
export async function driveRecorded(stages: Stages, round: Round): Promise<Driven> {
  return await stages.use(async (stage) => {
    const fleet = await openFleet(stage);
    await acceptMany(fleet, runCount, { steps: stepCount, stepMs: round.stepMs });
    const worker = await WorkerProcess.start(orderOf('record', round, stage));
    const dispatcher = new Dispatcher(fleet.runs, { workerId: 'bench', everyMs: 1000 }, { log: () => undefined });
    worker.go();
    round.atStart?.();
    const beganAt = Date.now();
    dispatcher.start();
    await allEnded(stage.client);
    const figures = await worker.stop();
    await dispatcher.stop();
    await fleet.close();
    const driven = { ...figures, ...(await recorded(stage.client, beganAt)) };
    await round.then?.(stage);
    return driven;
  });
}

/** The same with nothing recorded. */
export async function driveControl(stages: Stages, sink: 'queue' | 'memory', round: Round): Promise<Controlled> {
  return await stages.use(async (stage) => {
    const worker = await WorkerProcess.start(orderOf(sink, round, stage));
    worker.go();
    round.atStart?.();
    const beganAt = Date.now();
    if (sink === 'queue') await throughQueue(stage);
    const figures = await worker.stop();
    return { ...figures, wallMs: figures.endedAt - beganAt };
  });
}

function orderOf(sink: WorkerOrder['sink'], { stepMs, weighAfter = 0 }: Round, stage: Stage): Partial<WorkerOrder> {
  const { databaseUrl, redisUrl } = stage;
  const pace = { steps: stepCount, stepMs };
  return { sink, databaseUrl, redisUrl, pace, weighAfter, runs: runCount, concurrency: runCount };
}

/** Rings for all runs at once and waits until the queue is empty. */
async function throughQueue({ redisUrl }: Stage): Promise<void> {
  const { hostname: host, port, password } = new URL(redisUrl);
  const queue = new Queue(controlQueue.name, {
    connection: { host, port: Number(port), password },
    prefix: controlQueue.prefix,
    defaultJobOptions: { removeOnComplete: true },
  });
  try {
    await queue.addBulk(Array.from({ length: runCount }, (_, number) => ({ name: 'look', data: { number } })));
    await until(async () => (await queue.getJobCountByTypes('wait', 'active')) === 0);
  } finally {
    await queue.close();
  }
}

async function allEnded(client: Client): Promise<void> {
  await until(async () => {
    const { rows } = await client.query(
      `SELECT FROM argosy.runs WHERE state IN ('queued', 'running', 'waiting') LIMIT 1`,
    );
    return rows.length === 0;
  });
}

async function until(isSo: () => Promise<boolean>): Promise<void> {
  const deadline = performance.now() + limitMs;
  while (!(await isSo())) {
    if (performance.now() > deadline) throw new Error(`The runs have not ended after ${limitMs} ms.`);
    await pause(lookMs);
  }
}

/** What the record itself tells: its clock is this machine's, and a statement gives all its steps one instant. */
async function recorded(client: Client, beganAt: number) {
  const { rows: times } = await client.query<{ first: number; last: number; end: number; completed: number }>(
    `SELECT extract(epoch FROM min(started_at))::float8 * 1000 AS first,
       extract(epoch FROM max(started_at))::float8 * 1000 AS last,
       extract(epoch FROM max(ended_at))::float8 * 1000 AS end,
       (count(*) FILTER (WHERE state = 'completed'))::int AS completed FROM argosy.runs`,
  );
  const { rows: batches } = await client.query<{ n: number; at: number }>(
    `SELECT count(*)::int AS n, extract(epoch FROM committed_at)::float8 * 1000 AS at FROM argosy.steps
     GROUP BY committed_at ORDER BY committed_at`,
  );
  const { first = 0, last = 0, end = 0, completed = 0 } = times[0] ?? {};
  if (completed !== runCount) throw new Error(`${completed} of ${runCount} runs were completed.`);
  const sizes = batches.map(({ n }) => n);
  const instants = batches.flatMap(({ n, at }) => Array<number>(n).fill(at));
  return {
    wallMs: end - beganAt,
    claimsMs: last - first,
    steps: instants.length,
    steadyMs: percentile(instants, 0.9) - percentile(instants, 0.1),
    statements: sizes.length,
    batchP50: percentile(sizes, 0.5),
  };
}
