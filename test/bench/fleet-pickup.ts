import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { AgentWorker } from '#agent-worker';
import { Dispatcher } from '#dispatcher';
import { DataDirectory, openEmbedded, openFleet, type Runs } from '#runs';
import { acceptanceOf, acceptMany, modelName, simulatedModel, withSimulatedTools } from './fleet-load.ts';
import { type Stages, WorkerProcess } from './fleet-stage.ts';
import { percentile, type Row, round } from './result.ts';

/** Accepts that are timed in each state of the fleet. */
const samples = 200;

/** Time between two accepts; the runs end at once, so that the one before is over when the next one comes. */
const everyMs = 25;

/** Runs at work meanwhile under load, each a step of 200 ms after the other. */
const load = { fleet: 300, embedded: 30 };

const quiet = { log: () => undefined };

interface Backend {
  readonly name: keyof typeof load;
  readonly runs: Runs;
}

/** How long an accept takes, and from then until a worker has claimed the run. */
export async function pickupRows(stages: Stages, say: (line: string) => void): Promise<Row[]> {
  say('  fleet');
  const fleet = await onFleet(stages, pickups);
  say('  embedded');
  return [...fleet, ...(await onEmbedded(pickups))];
}

type Measuring = (backend: Backend) => Promise<Row[]>;

async function onFleet(stages: Stages, measure: Measuring): Promise<Row[]> {
  return await stages.use(async (stage) => {
    const { databaseUrl, redisUrl } = stage;
    const fleet = await openFleet(stage);
    const order = { sink: 'record', databaseUrl, redisUrl, concurrency: 2 * load.fleet } as const;
    const worker = await WorkerProcess.start(order);
    const dispatcher = new Dispatcher(fleet.runs, { workerId: 'bench', everyMs: 1000 }, quiet);
    dispatcher.start();
    worker.go();
    try {
      return await measure({ name: 'fleet', runs: fleet.runs });
    } finally {
      await dispatcher.stop();
      await worker.stop();
      await fleet.close();
    }
  });
}

/** All in one process, this one: that is what embedded means. */
async function onEmbedded(measure: Measuring): Promise<Row[]> {
  const folder = await mkdtemp(join(tmpdir(), 'argosy-bench-'));
  const directory = DataDirectory.hold(folder);
  const store = await openEmbedded(directory);
  const models = new Map([[modelName, simulatedModel()]]);
  const around = { runs: withSimulatedTools(store.runs), models, tools: [], now: () => performance.now() };
  const worker = await AgentWorker.start(around, { workerId: 'bench', concurrency: 2 * load.embedded }, quiet);
  const dispatcher = new Dispatcher(store.runs, { workerId: 'bench', everyMs: 1000 }, quiet);
  dispatcher.start();
  try {
    return await measure({ name: 'embedded', runs: store.runs });
  } finally {
    await dispatcher.stop();
    await worker.stop(1000);
    await store.close();
    await directory.release();
    await rm(folder, { recursive: true, force: true });
  }
}

async function pickups({ name, runs }: Backend): Promise<Row[]> {
  const row = async (live: number): Promise<Row> => {
    const { acceptMs, pickupMs } = await timed(runs);
    const figures = { acceptP50Ms: percentile(acceptMs, 0.5), acceptP99Ms: percentile(acceptMs, 0.99) };
    const pickup = { pickupP50Ms: percentile(pickupMs, 0.5), pickupP99Ms: percentile(pickupMs, 0.99) };
    const rounded = Object.entries({ ...figures, ...pickup }).map(([key, ms]) => [key, round(ms, 1)]);
    return { what: 'pick-up', backend: name, live, ...Object.fromEntries(rounded) };
  };
  await timed(runs, 20);
  const idle = await row(0);
  await acceptMany({ runs }, load[name], { steps: 10_000, stepMs: 200 });
  await pause(2000);
  return [idle, await row(load[name])];
}

/** Accepts runs of one step without waiting, one after the other, and then asks when each was claimed. */
async function timed(runs: Runs, count = samples): Promise<{ acceptMs: number[]; pickupMs: number[] }> {
  const acceptMs: number[] = [];
  const accepted: { tenantId: string; runId: string; at: number }[] = [];
  for (let i = 0; i < count; i++) {
    const due = performance.now() + everyMs;
    const acceptance = acceptanceOf(i, { steps: 1, stepMs: 0 });
    const startedAt = performance.now();
    await runs.accept(acceptance);
    const now = performance.now();
    acceptMs.push(now - startedAt);
    accepted.push({ ...acceptance, at: performance.timeOrigin + now });
    await pause(Math.max(0, due - performance.now()));
  }
  const pickupMs: number[] = [];
  for (const { tenantId, runId, at } of accepted) pickupMs.push((await claimedAt(runs, tenantId, runId)) - at);
  return { acceptMs, pickupMs };
}

/** The record knows it by the same clock, to the millisecond. */
async function claimedAt(runs: Runs, tenantId: string, runId: string): Promise<number> {
  const deadline = performance.now() + 30_000;
  for (;;) {
    const { startedAt } = await runs.get(tenantId, runId);
    if (startedAt !== null) return Date.parse(startedAt);
    if (performance.now() > deadline) throw new Error(`Run ${runId} was not claimed within 30 s.`);
    await pause(20);
  }
}
